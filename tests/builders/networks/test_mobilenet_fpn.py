from pathlib import Path

import numpy as np
import pytest
import torch

from builders.networks.mobilenet_fpn import (
    FirstMaps,
    MobileNetFpn,
    load_movenet,
    load_movenet_heads,
)
from stream.errors import ArtefactError


def test_maps_come_at_strides_4_8_16() -> None:
    p2, p3, p4 = MobileNetFpn()(torch.zeros(2, 3, 64, 96))
    assert p2.shape == (2, 24, 16, 24)
    assert p3.shape == (2, 24, 8, 12)
    assert p4.shape == (2, 32, 4, 6)


def test_loaded_trunk_equals_the_movenet_graph(shared_data: Path) -> None:
    import onnxruntime  # noqa: PLC0415

    graph = shared_data / "weights" / "movenet_multipose_heads_256.onnx"
    trunk = MobileNetFpn().eval()
    load_movenet(trunk, graph)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    expected = session.run(["feature", "heatmap", "center", "regress"], {"image": pixels})
    first = FirstMaps().eval()
    load_movenet_heads(first, graph)
    with torch.no_grad():
        p2, _, _ = trunk(torch.from_numpy(pixels))
        heat, centre, regress = first(p2)
    assert np.abs(p2.numpy() - expected[0]).max() < 1e-4
    for ours, logits in ((heat, expected[1]), (centre, expected[2])):
        assert np.abs(ours.numpy() - 1 / (1 + np.exp(-logits))).max() < 1e-4
    assert np.abs(regress.numpy() - expected[3]).max() < 1e-3


def test_another_graph_is_refused_by_name(shared_data: Path) -> None:
    graph = shared_data / "weights" / "yolox_nano_416.onnx"
    with pytest.raises(ArtefactError, match="yolox_nano_416"):
        load_movenet(MobileNetFpn(), graph)


def test_early_parameters_are_those_before_the_first_tap() -> None:
    trunk = MobileNetFpn()
    early = {id(parameter) for parameter in trunk.early_parameters()}
    names = {name for name, value in trunk.named_parameters() if id(value) in early}
    assert "blocks.2.layers.0.conv.weight" in names
    assert "blocks.3.layers.0.conv.weight" not in names
