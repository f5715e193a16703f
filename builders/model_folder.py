"""From a graph of whatever stage to a model folder with its manifest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from builders.contract_export import run_in_torch
from builders.export import export_stage, round_to_half, weights_digest
from engines.artefact import CONTRACTS, MANIFEST_NAME, MODEL_NAME, Manifest, StageName, TensorSpec


def write_model(
    graph: nn.Module, stage: StageName, folder: Path, about: dict[str, Any]
) -> Manifest:
    """Writes `model.onnx` and `manifest.json`; rounds the graph's weights in place.

    Args:
        graph: inputs of its stage to the outputs of its stage; its network is `network`.
        stage: which contract it keeps.
        folder: made if missing.
        about: the manifest's fields that the graph does not tell: name, canvases, thresholds, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph.eval()
    round_to_half(graph)
    inputs, outputs = CONTRACTS[stage]
    examples = {spec.name: _example(spec, about["canvases"][0]) for spec in inputs}
    export_stage(graph, examples, folder / MODEL_NAME, [spec.name for spec in outputs])
    manifest = Manifest(
        inputs=inputs,
        outputs=_with_numbers(graph, outputs, examples),
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


def _example(spec: TensorSpec, canvas: tuple[int, int]) -> torch.Tensor:
    """One row of an input: black pixels, or poses and scores of zeros."""
    if spec.dtype == "uint8":
        return torch.zeros((1, canvas[1], canvas[0], 3), dtype=torch.uint8)
    return torch.zeros([1, *(side or 1 for side in spec.shape[1:])])


def _with_numbers(
    graph: nn.Module, outputs: tuple[TensorSpec, ...], examples: Mapping[str, torch.Tensor]
) -> tuple[TensorSpec, ...]:
    """The outputs with the number of candidates that the graph gives on any canvas."""
    found = run_in_torch(graph, examples)
    return tuple(
        spec.model_copy(update={"shape": (None, *each.shape[1:])})
        for spec, each in zip(outputs, found, strict=True)
    )
