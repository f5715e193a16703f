"""What the papers' code fixes for all networks alike: norms, biases, starts, inputs, constants."""

import math

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from builders.networks import heatmap_targets, posefix, smpr, smpr_decode, topdown_graph
from builders.networks.dekr import Dekr
from builders.networks.graph_pcnn import GraphPcnn, peak_points
from builders.networks.hgg import AdaptiveUnit, Hgg, HigherHgg
from builders.networks.kcam import Kcam
from builders.networks.scoring_net import ScoringNet
from builders.networks.topdown_graph import ChannelOrder
from builders.paper_networks import paper_networks
from stream.skeleton import COCO_17
from tests.builders.networks.random_weights import parameter_count

NETWORKS = paper_networks()

PARAMETERS = {
    "pose_hrnet_w32": 28_536_113,
    "pose_hrnet_w48": 63_595_745,
    "pose_resnet_50": 33_999_697,
    "pose_resnet_50_caffe": 33_999_697,
    "pose_resnet_152": 68_635_473,
    "hgg_w32": 30_678_516,
    "hgg_w48": 66_803_428,
    "hgg_hr_w48": 66_895_941,
    "dekr_w32": 29_561_182,
    "dekr_w48": 65_684_590,
    "smpr_r50": 36_265_649,
    "smpr_hr_w32": 38_907_697,
    "posefix_r50": 34_053_009,
    "scoring_net": 85_249,
}


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return NETWORKS[name].make()


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_parameters_are_as_many_as_published(name: str) -> None:
    assert parameter_count(on_meta(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", list(NETWORKS))
def test_batch_norms_have_the_usual_eps_and_momentum_but_for_tensorflows(name: str) -> None:
    norms = [module for module in on_meta(name).modules() if isinstance(module, _BatchNorm)]
    expected = (1e-9, 0.01) if name.startswith("posefix") else (1e-5, 0.1)
    assert {(norm.eps, norm.momentum) for norm in norms} <= {expected}
    assert all(norm.affine and norm.track_running_stats for norm in norms)
    assert norms or name == "scoring_net"


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("pose_hrnet_w32", ChannelOrder.RGB),
        ("pose_resnet_50", ChannelOrder.BGR),
        ("hgg_w32", ChannelOrder.RGB),
        ("dekr_w48", ChannelOrder.RGB),
        ("smpr_r50", ChannelOrder.BGR),
        ("smpr_hr_w32", ChannelOrder.BGR),
        ("posefix_r152", ChannelOrder.BGR),
    ],
)
def test_pictures_come_in_the_order_of_each_release(name: str, order: ChannelOrder) -> None:
    assert NETWORKS[name].order is order


@pytest.mark.parametrize(("base", "channels"), [("resnet_50", 256), ("hrnet_w48", 48)])
def test_second_stage_and_context_see_the_heatmap_networks_features(
    base: str, channels: int
) -> None:
    pcnn, kcam = on_meta(f"graph_pcnn_{base}"), on_meta(f"kcam_{base}")
    assert isinstance(pcnn, GraphPcnn)
    assert isinstance(kcam, Kcam)
    assert pcnn.stage1.feature_channels == channels
    pixels = torch.empty(1, 3, 64, 64, device="meta")
    assert pcnn.eval().maps(pixels)[1].shape == (1, channels, 16, 16)
    transforms = pcnn.refinement.transforms
    assert (transforms.groups, transforms.in_channels) == (55, 55 * channels)
    assert transforms.bias is not None
    assert kcam.context.fusion[0].weight.shape == (channels, 2 * channels, 1, 1)


@pytest.mark.parametrize("make", [lambda: Hgg(2), lambda: HigherHgg(2), lambda: Dekr(2)])
def test_bottom_up_convolutions_start_small_and_transforms_at_zero(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    for name, module in make().named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        still = "transform_matrix_conv" in name or "translation_conv" in name
        assert module.bias is None or module.bias.abs().max().item() == 0, name
        if still:
            assert module.weight.abs().max().item() == 0, name
        elif module.weight.numel() > 500:
            assert module.weight.std().item() == pytest.approx(0.001, rel=0.2), name


def test_adaptive_units_have_both_transforms_with_bias_and_convolutions_without() -> None:
    unit = AdaptiveUnit(8, 3)
    biased = {name.split(".")[0] for name, _ in unit.named_parameters() if name.endswith("bias")}
    assert biased == {"transform_matrix_conv1", "transform_matrix_conv2", "bn1", "bn2"}
    assert unit.stn_conv1.dilation == unit.stn_conv2.dilation == 3


def test_scoring_net_starts_uniform_as_kaiming_with_slope_one() -> None:
    torch.manual_seed(0)
    for layer in ScoringNet().children():
        assert isinstance(layer, nn.Linear)
        bound = math.sqrt(6 / (1 + 1) / layer.in_features)
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_gaussians_have_the_published_widths() -> None:
    assert heatmap_targets.SIGMA_BY_CROP_HEIGHT == {256: 2.0, 384: 3.0}  # heatmap cells
    assert posefix.SIGMA_BY_CROP_HEIGHT == {256: 7.0, 384: 9.0}  # crop pixels
    assert posefix.AMPLITUDE == 255.0


def test_means_are_those_of_each_release_in_its_own_order() -> None:
    assert topdown_graph.MEAN == (0.485, 0.456, 0.406)
    assert topdown_graph.DEVIATION == (0.229, 0.224, 0.225)
    assert posefix.MEAN == (123.68, 116.78, 103.94)  # on B, G, R
    assert smpr.MEAN_BGR == (102.9801, 115.9465, 122.7717)


def test_smprs_test_settings_are_the_released_ones() -> None:
    settings = smpr_decode.SmprDecodeSettings()
    assert (settings.per_level, settings.person, settings.overlap) == (1000, 0.05, 0.3)
    assert (settings.lowest, settings.people) == (1e-3, 20)
    sizes = ((1333, 800), (1666, 1000), (1999, 1200), (1333, 400), (1333, 600))
    assert sizes == smpr_decode.MULTI_SCALE


@pytest.mark.parametrize(("heat", "reliable"), [(0.849, 0.0), (0.851, 1.0)])
def test_points_help_their_neighbours_from_a_heat_of_085_on(heat: float, reliable: float) -> None:
    maps = torch.full((1, 17, 9, 9), -1.0)
    maps[:, :, 4, 4] = heat
    points, value = peak_points(maps)
    assert value[0, 0].item() == pytest.approx(heat)
    assert points.xy[0, 0, 0].tolist() == [4.0, 4.0]
    assert set(points.reliable.flatten().tolist()) == {reliable}


def test_joints_and_their_mirror_pairs_are_cocos() -> None:
    pairs = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
    assert COCO_17.mirror_pairs == pairs
    assert COCO_17.joints[0] == "nose"
    assert [COCO_17.joints[left].removeprefix("left_") for left, _ in pairs] == [
        "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle",
    ]  # fmt: skip
