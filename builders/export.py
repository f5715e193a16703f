"""From a trained network to an artefact folder: ONNX with half-precision storage, and its manifest.

Weights are rounded to half precision *before* the export, so the graph, which stores them as fp16
with a Cast in front, computes exactly what the rounded torch network computes.
"""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from builders.networks.bottom_up import CompactBottomUp, heads_of
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings, candidates_at
from engines.artefact import MANIFEST_NAME, MODEL_NAME, Manifest, TensorSpec
from stream.errors import ArtefactError

OPSET = 17
LARGE = 256
"""Tensors with at least so many elements are stored in half precision."""


def round_to_half(network: nn.Module) -> None:
    """Rounds all large parameters to values that fp16 can hold, in place."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() >= LARGE:
                parameter.copy_(parameter.half().float())


POSES = ("keypoints", "scores")


def export_graph(
    graph: nn.Module, canvas: tuple[int, int], path: Path, outputs: Sequence[str] = POSES
) -> None:
    """Writes the portable graph: `canvas` uint8 (B, H, W, 3) in, the outputs out.

    Args:
        graph: in evaluation mode, large weights already rounded.
        canvas: (width, height) to trace with; height, width and batch stay dynamic.
        path: of the ONNX file.
        outputs: their names, in the graph's order; the batch of each is dynamic.
    """
    example = torch.zeros((1, canvas[1], canvas[0], 3), dtype=torch.uint8)
    export_stage(graph, {"canvas": example}, path, outputs)


def export_stage(
    graph: nn.Module, inputs: Mapping[str, torch.Tensor], path: Path, outputs: Sequence[str]
) -> None:
    """Writes the portable graph of any stage.

    Batch norms stay nodes of their own, so that initialisers keep their torch names
    (`weights_from_onnx` reads them back); engines fold them.

    Args:
        graph: in evaluation mode, large weights already rounded.
        inputs: examples by name, in the order of the graph's arguments; the batch of all is
            dynamic, and the sides of uint8 pictures are.
        path: of the ONNX file.
        outputs: their names, in the graph's order; the batch of each is dynamic.
    """
    sides = {1: "height", 2: "width"}
    axes = {
        name: {0: "batch"} | (sides if example.dtype == torch.uint8 else {})
        for name, example in inputs.items()
    }
    with warnings.catch_warnings():
        # Deprecated, but its plain static operators are what every engine builds.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes | {name: {0: "batch"} for name in outputs},
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamo=False,
        )
    model = onnx.load(path)
    store_as_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def store_as_half(model: onnx.ModelProto) -> None:
    """Replaces large fp32 initialisers by fp16 ones and a Cast, in place; values must be exact."""
    casts = []
    for item in model.graph.initializer:
        array = numpy_helper.to_array(item)
        half = array.astype(np.float16)
        exact = array.dtype == np.float32 and array.size >= LARGE
        if exact and np.array_equal(half.astype(np.float32), array):
            name = item.name
            item.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def weights_from_onnx(path: Path, prefix: str = "network.") -> dict[str, torch.Tensor]:
    """The torch state (fp32) that a graph written by `export_graph` holds.

    Raises:
        ArtefactError: if it is no graph, or no initialiser carries the prefix.
    """
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ArtefactError(f"{path}: is no ONNX graph: {error}") from error
    graph = onnx.load(path).graph
    stored = {
        item.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(item).copy())
        for item in graph.initializer
    }
    for node in graph.node:  # the exporter stores equal tensors once and names the others so
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    weights = {
        name.removeprefix(prefix): values.float()
        for name, values in stored.items()
        if name.startswith(prefix)
    }
    if not weights:
        raise ArtefactError(f"{path}: no initialiser begins with {prefix!r}; not exported by us")
    return weights


def network_from_onnx(path: Path) -> CompactBottomUp:
    """The torch twin of an exported bottom-up graph, in evaluation mode."""
    network = CompactBottomUp(heads_of(weights_from_onnx(path)))
    load_from_onnx(network, path)
    return network.eval()


def load_from_onnx(
    network: nn.Module, path: Path, unnamed: Mapping[str, torch.Tensor] = MappingProxyType({})
) -> None:
    """Gives a network the weights that its exported graph holds.

    Args:
        network: as it was exported.
        path: of the graph.
        unnamed: weights that it holds without their names.

    Raises:
        ArtefactError: if the graph lacks one, or holds those of another network.
    """
    weights = weights_from_onnx(path) | dict(unnamed)
    missing, unexpected = network.load_state_dict(weights, strict=False)
    state, fixed = network.state_dict(), dict(network.named_buffers())
    loaded = {state[name].data_ptr() for name in weights if name in state}  # tied ones have several
    left = [
        name
        for name in missing
        if not name.endswith("num_batches_tracked") and state[name].data_ptr() not in loaded
    ]
    foreign = [name for name in unexpected if name not in fixed]  # no weights, but of the network
    if left or foreign:
        raise ArtefactError(f"{path}: missing {left}, unexpected {foreign}")


def write_artefact(
    network: CompactBottomUp, settings: DecodeSettings, folder: Path, about: dict[str, Any]
) -> Manifest:
    """Writes `model.onnx` and `manifest.json`; rounds the network's weights in place.

    Args:
        network: trained, in evaluation mode.
        settings: of the decode inside the graph.
        folder: made if missing.
        about: the manifest's fields that the graph does not tell: name, canvases, thresholds, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    round_to_half(network)
    canvas = about["canvases"][0]
    export_graph(BottomUpGraph(network, settings), (canvas[0], canvas[1]), folder / MODEL_NAME)
    candidates = sum(candidates_at(factor) for factor in settings.shrink)
    manifest = Manifest(
        inputs=(TensorSpec(name="canvas", dtype="uint8", shape=(None, None, None, 3)),),
        outputs=(
            TensorSpec(name="keypoints", dtype="float32", shape=(None, candidates, 17, 3)),
            TensorSpec(name="scores", dtype="float32", shape=(None, candidates)),
        ),
        onnx_sha256=hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest(),
        weights_sha256=weights_digest(network),
        stage="one_pass",
        skeleton="coco_17",
        **about,
    )
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
    return manifest


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of all floating-point values of the state, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if value.is_floating_point():
            digest.update(name.encode() + np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()
