from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from builders.networks.compact_heatmaps import (
    CompactHeatmaps,
    HeatLayer,
    WideStage,
    load_movenet_heatmaps,
)
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.kcam import Kcam
from builders.networks.mobilenet_fpn import widened
from stream.errors import ArtefactError

THUNDER = "movenet_singlepose_thunder.onnx"
HEAT = "StatefulPartitionedCall/kpt_heatmap_0/conv2d_5/BiasAdd:0"


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        (1.0, (32, 16, 24, 32, 64, 96, 160, 320)),
        (1.5, (48, 24, 40, 48, 96, 144, 240, 480)),
        (1.75, (56, 32, 40, 56, 112, 168, 280, 560)),
    ],
)
def test_channels_of_every_width_are_those_of_its_movenet(
    width: float, channels: tuple[int, ...]
) -> None:
    base = (32, 16, 24, 32, 64, 96, 160, 320)
    assert tuple(widened(each, width) for each in base) == channels


def lightning(folder: Path) -> tuple[CompactHeatmaps, Path]:
    graph = folder / "weights" / "movenet_singlepose_lightning_heads_192.onnx"
    network = CompactHeatmaps(1.0).eval()
    load_movenet_heatmaps(network, graph)
    return network, graph


def test_loaded_maps_equal_those_of_lightning(shared_data: Path) -> None:
    import onnxruntime  # noqa: PLC0415

    network, graph = lightning(shared_data)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 192, 192)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    [logits] = session.run(["heatmap"], {"image": pixels})
    with torch.no_grad():
        ours = network(torch.from_numpy(pixels)).numpy()
    assert np.abs(ours - 1 / (1 + np.exp(-logits))).max() < 1e-4


def test_loaded_maps_equal_those_within_thunder(shared_data: Path, tmp_path: Path) -> None:
    import onnxruntime  # noqa: PLC0415

    path = shared_data / "weights" / THUNDER
    graph = onnx.load(path)
    first = next(node for node in graph.graph.node if node.op_type == "Conv").input[0]
    onnx.utils.extract_model(str(path), str(tmp_path / "cut.onnx"), [first], [HEAT])
    session = onnxruntime.InferenceSession(
        tmp_path / "cut.onnx", providers=["CPUExecutionProvider"]
    )
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32)
    [logits] = session.run([HEAT], {first: pixels})
    network = CompactHeatmaps(1.75).eval()
    load_movenet_heatmaps(network, path)
    with torch.no_grad():
        ours = network(torch.from_numpy(pixels)).numpy()
    heat = 1 / (1 + np.exp(-logits))
    assert np.abs(ours - heat.reshape(ours.shape)).max() < 1e-4


def test_a_movenet_of_another_width_is_refused(shared_data: Path) -> None:
    with pytest.raises(ArtefactError, match="same width"):
        load_movenet_heatmaps(CompactHeatmaps(1.0), shared_data / "weights" / THUNDER)


def test_the_copied_last_stage_starts_as_the_own_one_and_learns_apart() -> None:
    network = CompactHeatmaps(0.25)
    shared = network.shared(torch.rand(1, 3, 64, 96))
    copied = network.copy_of_last_stage()
    torch.testing.assert_close(copied(shared), network.features(shared))
    own = {id(parameter) for parameter in network.parameters()}
    assert not own & {id(parameter) for parameter in copied.parameters()}


def test_graph_pcnn_and_kcam_build_on_it() -> None:
    network: HeatmapNetwork = CompactHeatmaps(0.25)
    pixels = torch.rand(2, 3, 64, 96)
    points, heat = GraphPcnn(network).eval()(pixels)
    assert (points.shape, heat.shape) == ((2, 17, 2), (2, 17))
    assert Kcam(network).eval()(pixels).shape == (2, 17, 16, 24)


def test_a_wide_stage_takes_what_the_copy_takes_and_graph_pcnn_builds_on_it() -> None:
    network = CompactHeatmaps(0.25)
    wide = WideStage(network.trunk, 8)
    assert wide(network.shared(torch.rand(2, 3, 64, 96))).shape == (2, 8, 16, 24)
    refining = GraphPcnn(network, 4, second=wide, channels=8).eval()
    points, heat = refining(torch.rand(2, 3, 64, 96))
    assert (points.shape, heat.shape) == ((2, 17, 2), (2, 17))


def test_heat_lies_between_0_and_1_and_starts_low() -> None:
    heat = HeatLayer(8)(torch.rand(1, 8, 4, 4))
    assert heat.min() > 0
    assert heat.max() < 0.1
