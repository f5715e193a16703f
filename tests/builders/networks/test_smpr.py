import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.centre_sampling import STRIDES
from builders.networks.smpr import SmprHead, smpr_hrnet, smpr_pixels, smpr_r50
from tests.builders.networks.deformable_by_hand import deformable_tensor
from tests.builders.networks.random_weights import State, conv, parameter_count, randomise


def test_has_the_published_numbers_of_parameters_and_state_entries() -> None:
    with torch.device("meta"):
        resnet, hrnet = smpr_r50(), smpr_hrnet()
    assert parameter_count(resnet.bbox_head) == 6_528_625
    assert (parameter_count(resnet), len(resnet.state_dict())) == (36_265_649, 395)
    assert (parameter_count(hrnet), len(hrnet.state_dict())) == (38_907_697, 1895)


def test_published_key_names_and_shapes() -> None:
    with torch.device("meta"):
        state = {**smpr_r50().state_dict(), **smpr_hrnet().state_dict()}
    head = "bbox_head"
    expected = {
        "backbone.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "backbone.stage4.2.fuse_layers.3.0.0.0.weight": (32, 32, 3, 3),
        "neck.lateral_convs.2.conv.weight": (256, 2048, 1, 1),
        "neck.downsample_convs.1.conv.bias": (256,),
        "neck.pafpn_convs.1.conv.weight": (256, 256, 3, 3),
        "neck.fpn_convs.4.conv.weight": (256, 256, 3, 3),
        "neck.reduction_conv.conv.weight": (256, 480, 1, 1),
        f"{head}.cls_convs.3.gn.weight": (256,),
        f"{head}.reg_convs.0.conv.weight": (256, 256, 3, 3),
        f"{head}.hm_convs.1.conv.weight": (128, 128, 3, 3),
        f"{head}.hm_out.bias": (17,),
        f"{head}.fcos_cls.weight": (1, 256, 3, 3),
        f"{head}.fcos_reg.weight": (34, 256, 3, 3),
        f"{head}.fcos_rescore.bias": (1,),
        f"{head}.fcos_refine_out.bias": (34,),
        f"{head}.scales_1.4.scale": (),
        f"{head}.scales_2.0.scale": (),
        f"{head}.feature_adaption.conv_offset.weight": (72, 34, 1, 1),
        f"{head}.feature_adaption.conv_adaption_cls.weight": (256, 256, 3, 3),
        f"{head}.feature_adaption.conv_adaption_reg.weight": (256, 256, 3, 3),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected
    assert f"{head}.cls_convs.0.conv.bias" not in state
    assert f"{head}.feature_adaption.conv_offset.bias" not in state


def test_resnet_has_the_stride_in_the_first_1x1() -> None:
    with torch.device("meta"):
        modules = dict(smpr_r50().named_modules())
    for layer in ("layer2", "layer3", "layer4"):
        first, second = (modules[f"backbone.{layer}.0.conv{i}"] for i in (1, 2))
        assert isinstance(first, torch.nn.Conv2d)
        assert isinstance(second, torch.nn.Conv2d)
        assert [first.stride, second.stride] == [(2, 2), (1, 1)]


def test_stem_and_layer1_are_frozen_and_batch_norms_stay_in_evaluation() -> None:
    with torch.device("meta"):
        network = smpr_r50().train()
    frozen = {
        name.split(".")[1] for name, value in network.named_parameters() if not value.requires_grad
    }
    assert frozen == {"conv1", "bn1", "layer1"}
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(module.training for module in norms)
    assert network.bbox_head.training


def normed(state: State, key: str, x: Tensor) -> Tensor:
    x = conv(state, f"{key}.conv", x, 1, 1)
    B, C, H, W = x.shape
    groups = x.reshape(B, 32, C // 32 * H * W)
    groups = (groups - groups.mean(-1, keepdim=True)) / (
        groups.var(-1, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    x = groups.reshape(B, C, H, W)
    return (
        x * state[f"{key}.gn.weight"].view(1, -1, 1, 1) + state[f"{key}.gn.bias"].view(1, -1, 1, 1)
    ).relu()


def level_by_key(state: State, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    person = regression = x
    for i in range(4):
        person = normed(state, f"cls_convs.{i}", person)
        regression = normed(state, f"reg_convs.{i}", regression)
    initial = conv(state, "fcos_reg", regression, 1, 1) * state[f"scales_1.{level}.scale"]
    adaption = "feature_adaption"
    offset = conv(state, f"{adaption}.conv_offset", initial)
    moved = [
        deformable_tensor(value, offset, state[f"{adaption}.{name}.weight"], 1, 4).relu()
        for value, name in ((regression, "conv_adaption_reg"), (person, "conv_adaption_cls"))
    ]
    refined = (
        initial + conv(state, "fcos_refine_out", moved[0], 1, 1) * state[f"scales_2.{level}.scale"]
    )
    return (
        conv(state, "fcos_cls", moved[1], 1, 1),
        initial,
        refined,
        conv(state, "fcos_rescore", moved[0], 1, 1),
    )


def test_head_equals_the_layers_written_by_key_on_every_level() -> None:
    head = SmprHead()
    randomise(head)
    for index, module in enumerate([*head.scales_1, *head.scales_2]):
        module.get_parameter("scale").data.fill_(1 + 0.1 * index)
    state = head.state_dict()
    sides = (4, 3, 2, 2, 1)
    pyramid = [torch.randn(1, 256, side, side + 1, dtype=torch.float64) for side in sides]
    with torch.no_grad():
        got = head(pyramid)
        for level, x in enumerate(pyramid):
            person, initial, refined, similarity = level_by_key(state, x, level)
            torch.testing.assert_close(got.initial[level], initial)
            torch.testing.assert_close(got.person[level], person)
            torch.testing.assert_close(got.refined[level], refined)
            torch.testing.assert_close(got.similarity[level], similarity)
        assert got.joint_heat is None
        heat = normed(state, "hm_convs.1", normed(state, "hm_convs.0", pyramid[0]))
        torch.testing.assert_close(
            head.train()(pyramid).joint_heat, conv(state, "hm_out", heat, 1, 1)
        )


def test_the_first_guess_gets_no_gradient_through_refinement() -> None:
    head = SmprHead()
    pyramid = [torch.randn(1, 256, 2, 2) for _ in STRIDES]
    maps = head(pyramid)
    sum(level.sum() for level in (*maps.refined, *maps.person, *maps.similarity)).backward()
    assert head.fcos_reg.weight.grad is None
    assert head.feature_adaption.conv_offset.weight.grad is not None


def test_starts_with_one_positive_in_a_hundred_and_wider_offsets() -> None:
    torch.manual_seed(0)
    head = SmprHead()
    assert head.fcos_cls.bias is not None
    assert head.hm_out.bias is not None
    assert head.fcos_cls.bias.item() == pytest.approx(-math.log(99))
    assert head.hm_out.bias[3].sigmoid().item() == pytest.approx(0.01)
    assert head.feature_adaption.conv_offset.weight.std().item() == pytest.approx(0.1, rel=0.1)
    assert head.feature_adaption.conv_adaption_reg.weight.std().item() == pytest.approx(
        0.01, rel=0.1
    )
    assert head.fcos_reg.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_pixels_are_bgr_less_the_mean() -> None:
    canvas = torch.tensor([[[[10, 20, 30]]]], dtype=torch.uint8)
    got = smpr_pixels(canvas)[0, :, 0, 0].tolist()
    assert got == pytest.approx([30 - 102.9801, 20 - 115.9465, 10 - 122.7717])


def test_levels_have_strides_8_to_128() -> None:
    network = smpr_r50().eval()
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 128, 64))
    assert [128 // level.shape[2] for level in maps.person] == list(STRIDES)
    assert functional.relu(maps.person[0]).isfinite().all()
