"""From a graph that takes canvases, of whatever stage, to a model folder with its manifest."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from builders.export import export_graph, round_to_half, weights_digest
from engines.artefact import CONTRACTS, MANIFEST_NAME, MODEL_NAME, Manifest, StageName, TensorSpec


def write_model(
    graph: nn.Module, stage: StageName, folder: Path, about: dict[str, Any]
) -> Manifest:
    """Writes `model.onnx` and `manifest.json`; rounds the graph's weights in place.

    Args:
        graph: canvas uint8 (B, H, W, 3) to the outputs of its stage; its network is `network`.
        stage: which contract it keeps.
        folder: made if missing.
        about: the manifest's fields that the graph does not tell: name, canvases, thresholds, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph.eval()
    round_to_half(graph)
    inputs, outputs = CONTRACTS[stage]
    canvas = about["canvases"][0]
    export_graph(
        graph, (canvas[0], canvas[1]), folder / MODEL_NAME, [spec.name for spec in outputs]
    )
    manifest = Manifest(
        inputs=inputs,
        outputs=_with_numbers(graph, outputs, canvas),
        onnx_sha256=hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest(),
        weights_sha256=weights_digest(graph.get_submodule("network")),
        stage=stage,
        skeleton="coco_17",
        **about,
    )
    write_manifest(manifest, folder)
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes `manifest.json`."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")


def _with_numbers(
    graph: nn.Module, outputs: tuple[TensorSpec, ...], canvas: tuple[int, int]
) -> tuple[TensorSpec, ...]:
    """The outputs with the number of candidates that the graph gives on any canvas."""
    with torch.no_grad():
        found = graph(torch.zeros((1, canvas[1], canvas[0], 3), dtype=torch.uint8))
    return tuple(
        spec.model_copy(update={"shape": (None, *each.shape[1:])})
        for spec, each in zip(outputs, found, strict=True)
    )
