"""Exported graphs of SMPR and the detector: torch's numbers in both CPU engines, on any canvas."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from torch import nn

from builders.export import export_graph, round_to_half
from builders.networks.compact_pyramid import compact_pixels
from builders.networks.compact_smpr import CompactSmpr
from builders.networks.person_detector import DetectorGraph, PersonDetector
from builders.networks.smpr import smpr_pixels, smpr_r50
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import SmprGraph

ALL = SmprDecodeSettings(per_level=40, person=0.0)
GRAPHS: dict[str, tuple[Callable[[], nn.Module], tuple[str, str]]] = {
    "compact smpr": (
        lambda: SmprGraph(CompactSmpr(), compact_pixels, ALL),
        ("keypoints", "scores"),
    ),
    "person detector": (lambda: DetectorGraph(PersonDetector(), 40), ("boxes", "scores")),
    "smpr of the paper, ResNet-50": (
        lambda: SmprGraph(smpr_r50(), smpr_pixels, ALL),
        ("keypoints", "scores"),
    ),
}
CANVASES = ((2, 96, 160), (1, 160, 96))
"""Batch, height, width; exported with another one."""


def with_relief(make: Callable[[], nn.Module]) -> nn.Module:
    """Weights that give maps with relief: starting weights are almost flat."""
    torch.manual_seed(0)  # before the network: a trunk keeps its starting weights
    graph = make()
    for name, module in graph.named_modules():
        if isinstance(module, nn.Conv2d) and "trunk" not in name:
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
    round_to_half(graph)
    return graph.eval()


def openvino_outputs(path: Path, canvas: np.ndarray) -> list[np.ndarray]:
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    return list(compiled(canvas).to_tuple())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GRAPHS))
def test_both_engines_give_torchs_numbers_for_other_canvases_and_batches(
    name: str, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    make, outputs = GRAPHS[name]
    graph = with_relief(make)
    path = tmp_path / "model.onnx"
    export_graph(graph, (128, 64), path, outputs)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, height, width in CANVASES:
        rng = np.random.default_rng(height)
        canvas = rng.integers(0, 256, (batch, height, width, 3)).astype(np.uint8)
        with torch.no_grad():
            expected = [each.numpy() for each in graph(torch.from_numpy(canvas))]
        x, y = (2, 3) if outputs[0] == "boxes" else (0, 1)
        reach = expected[0][..., [x, y]].reshape(-1, 2).max(0)
        assert reach.max() > 128  # beyond the canvas of the export
        assert (reach < [width, height]).all()
        for found in (session.run(None, {"canvas": canvas}), openvino_outputs(path, canvas)):
            assert_same_people(found, expected)


def assert_same_people(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    """Places and scores within a thousandth; people of equal scores may change places."""
    np.testing.assert_allclose(found[1], expected[1], atol=1e-3 * expected[1].max(), rtol=0)
    limits = [1e-3 * np.abs(values).max() for values in expected]
    for b, scores in enumerate(expected[1]):
        alike = np.abs(found[1][b][:, None] - scores) <= limits[1]  # (M found, M expected)
        places, wanted = (each[0][b].reshape(len(scores), -1) for each in (found, expected))
        near = np.abs(places[:, None] - wanted).max(-1) <= limits[0]
        assert (alike & near).any(0).all()
        assert (alike & near).any(1).all()
