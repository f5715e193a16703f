"""Every network, decoded as far as a fixed graph goes, runs as ONNX with the same numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from builders.networks.compact_heatmaps import CompactHeatmaps
from builders.networks.compact_posefix import CompactPoseFix
from builders.networks.dekr import Dekr
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.heatmap_decode import smooth_peaks
from builders.networks.hgg import Hgg, HggMaps, HigherHgg
from builders.networks.hrnet import HrNet, branch_channels
from builders.networks.kcam import Kcam
from builders.networks.posefix import PoseFix, PoseFixGraph
from builders.networks.pyramids import Hrfpn
from builders.networks.smpr import BackboneHr, Smpr, smpr_pixels
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import SmprGraph
from builders.networks.topdown_graph import ChannelOrder, FlipTest, TopDownGraph


class _Maps(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        maps: HggMaps = self.network(pixels)
        return (*maps.heat, maps.offset, *([] if maps.fine_heat is None else [maps.fine_heat]))


def small_smpr() -> SmprGraph:
    network = Smpr(BackboneHr(2), Hrfpn(sum(branch_channels(2))))
    return SmprGraph(network, smpr_pixels, SmprDecodeSettings(per_level=10, person=0.0))


class _FlipPcnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = GraphPcnn(HrNet(4))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.flip_forward(pixels)


class _SmoothPeaks(nn.Module):
    def forward(self, heat: Tensor) -> tuple[Tensor, Tensor]:
        return smooth_peaks(heat)


def some_heat() -> Tensor:
    """(1, 17, 16, 12) one Gaussian each: on the maps of random networks many cells are alike."""
    x, y = torch.linspace(1.3, 9.6, 17)[:, None, None], torch.linspace(13.8, 2.1, 17)[:, None, None]
    across, down = torch.arange(12), torch.arange(16)[:, None]
    return 0.8 * (-((across - x) ** 2 + (down - y) ** 2) / 4).exp()[None]


PIXELS = (torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)),)
CROPS = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
HEAT = some_heat()
CANVAS = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)
FORMS: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...]]] = {
    "top-down with flip": (
        lambda: TopDownGraph(HrNet(4), ChannelOrder.BGR, FlipTest.AVERAGE),
        (CROPS,),
    ),
    "peaks between cells": (_SmoothPeaks, (HEAT,)),
    "hgg": (lambda: _Maps(Hgg(2)), PIXELS),
    "higher hgg": (lambda: _Maps(HigherHgg(2)), PIXELS),
    "dekr": (lambda: _Maps(Dekr(2)), PIXELS),
    "smpr": (small_smpr, (CANVAS,)),
    "kcam": (lambda: Kcam(HrNet(4)), PIXELS),
    "graph-pcnn": (lambda: GraphPcnn(HrNet(4)), PIXELS),
    "graph-pcnn with flip": (_FlipPcnn, PIXELS),
    "posefix with flip": (
        lambda: PoseFixGraph(PoseFix(50), 7.0, FlipTest.AVERAGE),
        (CROPS, torch.rand(1, 17, 3) * 60),
    ),
    "compact posefix with flip": (
        lambda: PoseFixGraph(CompactPoseFix(CompactHeatmaps(0.25)), 3.5, FlipTest.AVERAGE),
        (CROPS, torch.rand(1, 17, 3) * 60),
    ),
}


@pytest.mark.slow
# The tracing exporter warns of itself and of shapes that are meant to be constant.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", list(FORMS))
def test_onnx_runtime_equals_torch_with_another_batch(name: str, tmp_path: Path) -> None:
    make, arguments = FORMS[name]
    torch.manual_seed(0)
    module = make().eval()
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)  # starting weights give maps without relief
    names = [f"input{index}" for index in range(len(arguments))]
    file = str(tmp_path / "model.onnx")
    torch.onnx.export(
        module,
        arguments,
        file,
        input_names=names,
        dynamic_axes={each: {0: "batch"} for each in names},
        opset_version=17,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    batch = [torch.cat([each, each.flip(1)]) for each in arguments]
    with torch.no_grad():
        expected = module(*batch)
    expected = expected if isinstance(expected, tuple) else (expected,)
    feed = {each: value.numpy() for each, value in zip(names, batch, strict=True)}
    for got, wanted in zip(session.run(None, feed), expected, strict=True):
        scale = np.abs(wanted.numpy()).max()
        # Sums of fp32 differ in order from processor to processor: 1.1e-4 was seen on PoseFix.
        np.testing.assert_allclose(got, wanted.numpy(), atol=5e-4 * scale, rtol=0)
