import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.resnet import BLOCKS, ResNet, Stride
from builders.networks.simple_baseline import SimpleBaseline
from tests.builders.networks.random_weights import (
    State,
    bottleneck,
    conv,
    norm,
    parameter_count,
    randomise,
)


def resnet_pyramid(state: State, pixels: Tensor, stride: Stride) -> list[Tensor]:
    x = norm(state, "bn1", conv(state, "conv1", pixels, 2, 3)).relu()
    x = functional.max_pool2d(functional.pad(x, (1, 1, 1, 1)), 3, 2)  # zeros: x is not negative
    maps = []
    for layer, count in enumerate(BLOCKS[50], start=1):
        for block in range(count):
            halves = block == 0 and layer > 1
            both = {Stride.PYTORCH: (1, 2), Stride.CAFFE: (2, 1)}[stride]
            x = bottleneck(state, f"layer{layer}.{block}", x, both if halves else (1, 1))
        maps.append(x)
    return maps


@pytest.mark.parametrize(("depth", "expected"), [(50, 33_999_697), (152, 68_635_473)])
@pytest.mark.parametrize("stride", list(Stride))
def test_has_the_published_number_of_parameters(depth: int, expected: int, stride: Stride) -> None:
    with torch.device("meta"):
        network = SimpleBaseline(depth, stride)
    assert parameter_count(network) == expected


def test_depth_101_has_23_blocks_in_layer3() -> None:
    with torch.device("meta"):
        state = SimpleBaseline(101).state_dict()
    assert "layer3.22.bn3.weight" in state
    assert "layer3.23.bn3.weight" not in state


def test_published_key_names_and_shapes() -> None:
    with torch.device("meta"):
        state = SimpleBaseline(50).state_dict()
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer4.2.conv2.weight": (512, 512, 3, 3),
        "deconv_layers.0.weight": (2048, 256, 4, 4),
        "deconv_layers.1.running_mean": (256,),
        "deconv_layers.3.weight": (256, 256, 4, 4),
        "deconv_layers.6.weight": (256, 256, 4, 4),
        "deconv_layers.7.bias": (256,),
        "final_layer.weight": (17, 256, 1, 1),
        "final_layer.bias": (17,),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected
    assert "deconv_layers.0.bias" not in state


@pytest.mark.parametrize("stride", list(Stride))
def test_pyramid_equals_the_layers_written_by_key(stride: Stride) -> None:
    network = ResNet(50, stride)
    randomise(network)
    pixels = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = resnet_pyramid(network.state_dict(), pixels, stride)
        torch.testing.assert_close(network.pyramid(pixels), expected)


def test_heatmaps_equal_the_layers_written_by_key() -> None:
    network = SimpleBaseline(50)
    randomise(network)
    state = network.state_dict()
    pixels = torch.randn(1, 3, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        x = resnet_pyramid(state, pixels, Stride.PYTORCH)[-1]
        for index in (0, 3, 6):
            x = functional.conv_transpose2d(x, state[f"deconv_layers.{index}.weight"], None, 2, 1)
            x = norm(state, f"deconv_layers.{index + 1}", x).relu()
        expected = conv(state, "final_layer", x)
        got = network(pixels)
    assert got.shape == (1, 17, 16, 8)
    torch.testing.assert_close(got, expected)


def test_copied_last_stage_starts_equal_with_the_keys_it_was_copied_from() -> None:
    network = SimpleBaseline(50)
    randomise(network)
    shared = network.shared(torch.randn(1, 3, 32, 32, dtype=torch.float64))
    copied = network.copy_of_last_stage()
    torch.testing.assert_close(copied(shared), network.features(shared))
    assert {key.split(".")[0] for key in copied.state_dict()} == {"layer4", "deconv_layers"}
