import numpy as np
import pytest
import torch
from torch import Tensor, nn

from builders.networks.heatmap_decode import flip_average, peaks
from builders.networks.hrnet import HrNet
from builders.networks.topdown_graph import ChannelOrder, FlipTest, Normalise, TopDownGraph


def test_normalisation_of_rgb_and_of_bgr_with_the_same_constants() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (1, 2, 3, 3), np.uint8)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for order, pixels in ((ChannelOrder.RGB, crops), (ChannelOrder.BGR, crops[..., ::-1])):
        expected = ((pixels / 255 - mean) / deviation).transpose(0, 3, 1, 2)
        got = Normalise(order)(torch.from_numpy(crops)).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


class _RedAsHeat(nn.Module):
    """Every joint's map is the red channel of every fourth pixel."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels[:, :1, ::4, ::4].repeat(1, 17, 1, 1)


def test_keypoints_are_four_times_the_cell_with_the_peak() -> None:
    crops = torch.zeros(1, 64, 48, 3, dtype=torch.uint8)
    crops[0, 40, 20, 0] = 255
    graph = TopDownGraph(_RedAsHeat(), ChannelOrder.RGB, FlipTest.OFF)
    keypoints = graph(crops)
    assert keypoints.shape == (1, 17, 3)
    assert keypoints[0, 3, :2].tolist() == [20.0, 40.0]
    assert keypoints[0, 3, 2].item() == pytest.approx((1 - 0.485) / 0.229, rel=1e-5)


def test_flip_test_averages_the_maps_before_decoding() -> None:
    network = HrNet(4).eval()
    nn.init.normal_(network.final_layer.weight)
    graph = TopDownGraph(network, ChannelOrder.RGB, FlipTest.AVERAGE)
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        pixels = graph.normalise(crops)
        heat = flip_average(network(pixels), network(pixels.flip(3)))
        points, values = peaks(heat)
        got = graph(crops)
    torch.testing.assert_close(got[..., :2], points * 4)
    torch.testing.assert_close(got[..., 2], values)
