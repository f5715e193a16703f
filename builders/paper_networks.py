"""Every network of the papers by name: how it is built, and the graph that is exported of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from builders.networks.bottom_up_decode import DecodeSettings
from builders.networks.dekr import Dekr
from builders.networks.graph_pcnn import GraphPcnn
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.hgg import Hgg, HigherHgg
from builders.networks.hgg_graph import STAYS, HggGraph
from builders.networks.hrnet import HrNet
from builders.networks.kcam import Kcam
from builders.networks.posefix import SIGMA_BY_CROP_HEIGHT, PoseFix, PoseFixGraph
from builders.networks.resnet import BLOCKS, Stride
from builders.networks.scoring_net import ScoringGraph, ScoringNet
from builders.networks.simple_baseline import SimpleBaseline
from builders.networks.smpr import smpr_hrnet, smpr_pixels, smpr_r50
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import SmprGraph
from builders.networks.topdown_graph import ChannelOrder, FlipTest, TopDownGraph

JOINTS = 17
Form = Literal["one_pass", "top_down", "refiner", "scoring"]
"""What goes in and out of the exported graph."""

OUTPUTS: Mapping[Form, tuple[str, ...]] = MappingProxyType(
    {
        "one_pass": ("keypoints", "scores"),
        "top_down": ("keypoints",),
        "refiner": ("keypoints",),
        "scoring": ("rescored",),
    }
)


@dataclass(frozen=True, slots=True)
class PaperNetwork:
    """One network at the size of its paper."""

    make: Callable[[], nn.Module]
    """With starting weights."""
    form: Form
    graph: Callable[[nn.Module, ChannelOrder], nn.Module]
    """The exported form; the order of channels is that of the weights, where it may differ."""
    picture_px: tuple[int, int]
    """(width, height) of canvas or crop in the paper's main table."""
    order: ChannelOrder = ChannelOrder.RGB
    """Of the papers' own weights."""
    description: str = ""


def _top_down(network: nn.Module, order: ChannelOrder) -> nn.Module:
    if isinstance(network, GraphPcnn):
        return GraphPcnnGraph(network, order, FlipTest.OFF)
    return TopDownGraph(network, order, FlipTest.OFF)


def _one_pass(settings: DecodeSettings, network: nn.Module, _: ChannelOrder) -> nn.Module:
    return HggGraph(network, settings)


def _smpr(network: nn.Module, _: ChannelOrder) -> nn.Module:
    return SmprGraph(network, smpr_pixels, SmprDecodeSettings())


def _refiner(height: int, network: nn.Module, _: ChannelOrder) -> nn.Module:
    if not isinstance(network, PoseFix):
        raise TypeError(f"expected PoseFix, got {type(network).__name__}")
    return PoseFixGraph(network, SIGMA_BY_CROP_HEIGHT[height], FlipTest.OFF)


def _scoring(network: nn.Module, _: ChannelOrder) -> nn.Module:
    if not isinstance(network, ScoringNet):
        raise TypeError(f"expected ScoringNet, got {type(network).__name__}")
    return ScoringGraph(network)


def _crops(make: Callable[[], nn.Module], order: ChannelOrder, description: str) -> PaperNetwork:
    return PaperNetwork(make, "top_down", _top_down, (192, 256), order, description)


def _baselines() -> dict[str, PaperNetwork]:
    """SimpleBaseline in both forms of the stride, Graph-PCNN and KCAM on it, PoseFix."""
    bgr = ChannelOrder.BGR
    found = {}
    for depth in BLOCKS:
        base = partial(SimpleBaseline, depth)
        caffe = partial(SimpleBaseline, depth, Stride.CAFFE)
        name = f"SimpleBaseline on ResNet-{depth}"
        found[f"pose_resnet_{depth}"] = _crops(base, bgr, name)
        found[f"pose_resnet_{depth}_caffe"] = _crops(caffe, bgr, f"{name}, caffe's stride")
        found[f"graph_pcnn_resnet_{depth}"] = _crops(
            _on(GraphPcnn, base), bgr, f"Graph-PCNN, {name}"
        )
        found[f"kcam_resnet_{depth}"] = _crops(_on(Kcam, base), bgr, f"KCAM, {name}")
        found[f"posefix_r{depth}"] = PaperNetwork(
            partial(PoseFix, depth),
            "refiner",
            partial(_refiner, 384),
            (288, 384),
            bgr,
            f"PoseFix on ResNet-{depth}",
        )
    return found


def _on(
    whole: Callable[[HeatmapNetwork], nn.Module], base: Callable[[], HeatmapNetwork]
) -> Callable[[], nn.Module]:
    return lambda: whole(base())


def _high_resolution() -> dict[str, PaperNetwork]:
    """HRNet, Graph-PCNN and KCAM on it, HGG, DEKR."""
    rgb = ChannelOrder.RGB
    found = {}
    for width, side in ((32, 512), (48, 640)):
        base = partial(HrNet, width)
        found[f"pose_hrnet_w{width}"] = _crops(base, rgb, f"HRNet-W{width}")
        found[f"graph_pcnn_hrnet_w{width}"] = _crops(
            _on(GraphPcnn, base), rgb, f"Graph-PCNN on HRNet-W{width}"
        )
        found[f"kcam_hrnet_w{width}"] = _crops(_on(Kcam, base), rgb, f"KCAM on HRNet-W{width}")
        one_pass = partial(_one_pass, DecodeSettings())
        found[f"hgg_w{width}"] = PaperNetwork(
            partial(Hgg, width), "one_pass", one_pass, (side, side), rgb, f"HGG on HRNet-W{width}"
        )
        found[f"dekr_w{width}"] = PaperNetwork(
            partial(Dekr, width),
            "one_pass",
            partial(_one_pass, STAYS),
            (side, side),
            rgb,
            f"DEKR on HRNet-W{width}",
        )
    found["hgg_hr_w48"] = PaperNetwork(
        partial(HigherHgg, 48), "one_pass", one_pass, (640, 640), rgb, "HGG on HigherHRNet-W48"
    )
    return found


def paper_networks() -> dict[str, PaperNetwork]:
    """Name to network."""
    smpr = (1344, 800)
    return {
        **_baselines(),
        **_high_resolution(),
        "smpr_r50": PaperNetwork(
            smpr_r50, "one_pass", _smpr, smpr, ChannelOrder.BGR, "SMPR on ResNet-50 and PAFPN"
        ),
        "smpr_hr_w32": PaperNetwork(
            smpr_hrnet, "one_pass", _smpr, smpr, ChannelOrder.BGR, "SMPR on HRNet-W32 and HRFPN"
        ),
        "scoring_net": PaperNetwork(
            ScoringNet, "scoring", _scoring, (0, 0), description="HGG's and DEKR's scoring net"
        ),
    }


def example_inputs(
    network: PaperNetwork, picture_px: tuple[int, int], batch: int, seed: int
) -> dict[str, Tensor]:
    """Inputs of the exported graph by name, filled at random.

    Args:
        network: whose form tells the inputs.
        picture_px: (width, height).
        batch: pictures, crops or poses.
        seed: the same seed gives the same inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    width, height = picture_px
    size = (batch, height, width, 3)
    picture = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
    span = torch.tensor([width or 100, height or 100, 1.0])
    poses = torch.rand((batch, JOINTS, 3), generator=generator) * span
    if network.form == "one_pass":
        return {"canvas": picture}
    if network.form == "top_down":
        return {"crops": picture}
    if network.form == "refiner":
        return {"crops": picture, "poses": poses}
    return {"poses": poses, "scores": torch.rand(batch, generator=generator)}
