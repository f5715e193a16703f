import math
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from builders.networks.compact_heatmaps import JOINTS
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.guided_heatmaps import GuidedHeatmaps, load_movenet_guided, nearness
from builders.networks.heatmap_network import HeatmapNetwork

H, W = 12, 9
LIGHTNING = "weights/movenet_singlepose_lightning_heads_192.onnx"


def test_nearness_equals_a_loop_over_cells() -> None:
    generator = torch.Generator().manual_seed(1)
    centre = torch.rand(2, 1, H, W, generator=generator)
    regress = 4 * torch.randn(2, 2 * JOINTS, H, W, generator=generator)
    got = nearness(centre, regress).numpy()
    for b in range(2):
        best, row, column = -1.0, 0, 0
        for y in range(H):
            for x in range(W):
                score = centre[b, 0, y, x].item() / (math.hypot(x - W / 2, y - H / 2) + 1.8)
                if score > best:
                    best, row, column = score, y, x
        guess = regress[b, :, row, column].numpy().reshape(JOINTS, 2) + np.array([row, column])
        for y in range(H):
            for x in range(W):
                off = np.hypot(*(guess - [y, x]).T)
                expected = np.minimum(1, 4 / np.maximum(off, 4))
                np.testing.assert_allclose(got[b, :, y, x], expected, rtol=1e-5)


def test_a_neighbours_clearer_joint_does_not_win() -> None:
    """Both people have a left wrist; the guess says which of them stands in the middle."""
    heat = torch.zeros(1, JOINTS, H, W)
    heat[0, 9, 6, 4], heat[0, 9, 6, 8] = 0.5, 0.9
    centre = torch.full((1, 1, H, W), 0.01)
    centre[0, 0, 4, 3], centre[0, 0, 4, 8] = 0.8, 0.9
    regress = torch.zeros(1, 2 * JOINTS, H, W)
    regress[0, 18, 4, 3], regress[0, 19, 4, 3] = 2, -1  # of the one in the middle
    guided = heat * nearness(centre, regress)
    assert divmod(int(guided[0, 9].argmax()), W) == (6, 8)
    regress[0, 19, 4, 3] = -3
    regress[0, 18, 4, 3] = 2
    guided = heat * nearness(centre, regress)
    assert divmod(int(guided[0, 9].argmax()), W) == (6, 4)


def test_the_released_heads_are_loaded(shared_data: Path) -> None:
    graph = shared_data / LIGHTNING
    network = GuidedHeatmaps(1.0).eval()
    load_movenet_guided(network, graph)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 3, 192, 192)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    heat, centre, regress = session.run(["heatmap", "center", "regress"], {"image": pixels})
    with torch.no_grad():
        found = network.maps(torch.from_numpy(pixels))
        guided = network(torch.from_numpy(pixels))
    for logits, ours in ((heat, found.heat), (centre, found.centre)):
        np.testing.assert_allclose(ours.numpy(), 1 / (1 + np.exp(-logits)), atol=1e-4)
    np.testing.assert_allclose(found.regress.numpy(), regress, atol=1e-3)
    torch.testing.assert_close(guided, found.heat * nearness(found.centre, found.regress))


def test_graph_pcnn_refines_the_guided_peaks() -> None:
    torch.manual_seed(0)
    network = GuidedHeatmaps(0.35).eval()
    stage1: HeatmapNetwork = network
    pixels = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        heat, _ = GraphPcnn(stage1).eval().maps(pixels)
        torch.testing.assert_close(heat, network(pixels))
