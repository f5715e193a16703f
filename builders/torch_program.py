"""The exported torch program of a model: what the engine `torch` runs."""

from pathlib import Path

import torch
from torch import Tensor, nn

from builders.export import network_from_onnx
from builders.networks.bottom_up_decode import CANDIDATES, BottomUpGraph, DecodeSettings
from engines.artefact import Artefact, Manifest
from stream.errors import EngineError

MAX_BATCH = 64
TWINS = frozenset({"bottom_up", "bottom_up_fast"})


class _Named(nn.Module):
    """Gives outputs by name."""

    def __init__(self, graph: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.graph = graph
        self.names = names

    def forward(self, canvas: Tensor) -> dict[str, Tensor]:
        """Canvas uint8 (B, H, W, 3) to outputs."""
        return dict(zip(self.names, self.graph(canvas), strict=True))


def torch_twin(artefact: Artefact) -> nn.Module:
    """The torch network with the weights of a model's graph, pixels in and poses out.

    Raises:
        EngineError: if no twin of this model is known.
    """
    manifest = artefact.manifest
    if manifest.name not in TWINS:
        raise EngineError(
            f"torch: no twin of model {manifest.name} is known; the engines onnxruntime and "
            "openvino run its graph in fp32"
        )
    network = network_from_onnx(artefact.onnx_path)
    graph = BottomUpGraph(network, DecodeSettings(shrink=_shrink(manifest)))
    return _Named(graph, tuple(spec.name for spec in manifest.outputs)).eval()


def _shrink(manifest: Manifest) -> tuple[int, ...]:
    """In how many sizes the graph sees the canvas: each gives as many candidates."""
    scores = next(spec for spec in manifest.outputs if spec.name == "scores")
    return tuple(range(1, 1 + (scores.shape[1] or CANDIDATES) // CANDIDATES))


def write_program(artefact: Artefact, canvas: tuple[int, int], path: Path) -> None:
    """Exports the twin for one canvas (width, height) and any batch size.

    Raises:
        EngineError: if no twin is known, or it cannot be exported.
    """
    width, height = canvas
    example = torch.zeros((2, height, width, 3), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    try:
        with torch.inference_mode():
            program = torch.export.export(
                torch_twin(artefact), (example,), dynamic_shapes={"canvas": {0: batch}}
            )
        torch.export.save(program, path)
    except RuntimeError as error:
        raise EngineError(
            f"torch cannot export model {artefact.manifest.name} at {width}x{height}: {error}"
        ) from error
