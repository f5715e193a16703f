"""Weights that torch's exporter turned into constants and left without their names.

It folds the reshaped weights of group norms and the transposed ones of linear layers. A network of
the same shape, filled with numbers that cannot be mistaken and exported in the same way, tells
which constant is which weight.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from builders.export import export_stage, weights_from_onnx
from engines.artefact import Artefact
from engines.tensor_check import fixed_inputs
from stream.errors import ArtefactError

PREFIX = "onnx::"
"""Names that the exporter makes up."""
Floats = NDArray[np.float32]


def unnamed_weights(graph: nn.Module, network: nn.Module, artefact: Artefact) -> dict[str, Tensor]:
    """What `weights_from_onnx` cannot name; overwrites the network's parameters.

    Args:
        graph: the network in the form in which it is exported.
        network: within it.
        artefact: the model that was exported from such a graph.

    Raises:
        ArtefactError: if the model was exported from another one.
    """
    named = weights_from_onnx(artefact.onnx_path)
    wanted = [name for name, _ in network.named_parameters() if name not in named]
    if not wanted:
        return {}
    _fill(network)
    fresh, shipped = _unnamed(_exported(graph, artefact)), _unnamed(onnx.load(artefact.onnx_path))
    if [one.size for one in fresh] != [one.size for one in shipped]:
        raise ArtefactError(
            f"{artefact.onnx_path}: {len(shipped)} weights without a name, expected {len(fresh)} "
            "of other sizes; another network or another version of torch exported it"
        )
    parameters = dict(network.named_parameters())
    found = {name: _found(parameters[name], fresh, shipped) for name in wanted}
    return {name: values for name, values in found.items() if values is not None}


def _fill(network: nn.Module) -> None:
    dice = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=dice) + 0.5)


def _exported(graph: nn.Module, artefact: Artefact) -> onnx.ModelProto:
    manifest = artefact.manifest
    examples = {
        spec.name: torch.zeros(
            [1, *(side or 1 for side in spec.shape[1:])], dtype=getattr(torch, spec.dtype)
        )
        for spec in fixed_inputs(manifest, manifest.canvases[0])
    }
    with TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        export_stage(graph, examples, path, [spec.name for spec in manifest.outputs])
        return onnx.load(path)


def _unnamed(model: onnx.ModelProto) -> list[Floats]:
    """In the order in which the exporter wrote them."""
    constants = [one for one in model.graph.initializer if one.name.startswith(PREFIX)]
    arrays = [numpy_helper.to_array(one) for one in constants]
    return [one.astype(np.float32) for one in arrays if one.dtype.kind == "f"]


def _found(parameter: Tensor, fresh: list[Floats], shipped: list[Floats]) -> Tensor | None:
    """Its values in the shipped graph; None if no constant is made of it."""
    own = parameter.detach().numpy()
    for made, stored in zip(fresh, shipped, strict=True):
        if made.size == own.size and np.array_equal(made.reshape(own.shape), own):
            return torch.from_numpy(stored.reshape(own.shape).copy())
        if own.ndim == 2 and made.shape == own.T.shape and np.array_equal(made.T, own):
            return torch.from_numpy(stored.T.copy())
    return None
