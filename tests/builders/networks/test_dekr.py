import pytest
import torch

from builders.networks.dekr import AdaptiveBlock, Dekr
from tests.builders.networks.deformable_by_hand import affine_offset_by_hand, deformable_tensor
from tests.builders.networks.hrnet_by_key import hrnet_branches
from tests.builders.networks.random_weights import (
    State,
    basic_block,
    conv,
    norm,
    parameter_count,
    randomise,
)
from tests.builders.networks.test_hgg import concatenation, transition


def block_by_key(state: State, key: str, x: torch.Tensor) -> torch.Tensor:
    offset = affine_offset_by_hand(conv(state, f"{key}.transform_matrix_conv", x, 1, 1))
    move = conv(state, f"{key}.translation_conv", x, 1, 1).detach()
    offset[:, 0::2] += move[:, :1]
    offset[:, 1::2] += move[:, 1:]
    y = deformable_tensor(x, offset, state[f"{key}.adapt_conv.weight"])
    return (norm(state, f"{key}.bn", y) + x).relu()


@pytest.mark.parametrize(("width", "expected"), [(32, 29_561_182), (48, 65_684_590)])
def test_has_the_published_number_of_parameters(width: int, expected: int) -> None:
    with torch.device("meta"):
        assert parameter_count(Dekr(width)) == expected


def test_published_key_names_and_shapes() -> None:
    with torch.device("meta"):
        state = Dekr(32).state_dict()
    block = "offset_feature_layers.16.1"
    expected = {
        "transition_heatmap.0.weight": (32, 480, 1, 1),
        "transition_offset.0.weight": (255, 480, 1, 1),
        "head_heatmap.0.0.conv1.weight": (32, 32, 3, 3),
        "head_heatmap.1.weight": (18, 32, 1, 1),
        f"{block}.transform_matrix_conv.weight": (4, 15, 3, 3),
        f"{block}.translation_conv.bias": (2,),
        f"{block}.adapt_conv.weight": (15, 15, 3, 3),
        f"{block}.bn.weight": (15,),
        f"{block}.regular_matrix": (2, 9),
        "offset_final_layer.16.weight": (2, 15, 1, 1),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected


def test_transform_and_translation_start_at_zero() -> None:
    block = Dekr(2).get_submodule("offset_feature_layers.0.0")
    assert isinstance(block, AdaptiveBlock)
    x = torch.randn(1, 15, 4, 4)
    assert block.transform_matrix_conv(x).abs().max().item() == 0
    assert block.translation_conv(x).abs().max().item() == 0


def test_block_equals_the_layers_written_by_key() -> None:
    block = AdaptiveBlock(3)
    randomise(block)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    state = {f"b.{key}": value for key, value in block.state_dict().items()}
    torch.testing.assert_close(block(x).detach(), block_by_key(state, "b", x))


def test_maps_equal_the_layers_written_by_key() -> None:
    network = Dekr(2)
    randomise(network)
    state = network.state_dict()
    pixels = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        features = concatenation(hrnet_branches(state, pixels, 4))
        heat = transition(state, "transition_heatmap", features)
        heat = conv(state, "head_heatmap.1", basic_block(state, "head_heatmap.0.0", heat))
        every = transition(state, "transition_offset", features)
        offsets = []
        for joint in range(17):
            x = every[:, 15 * joint : 15 * joint + 15]
            x = block_by_key(state, f"offset_feature_layers.{joint}.0", x)
            x = block_by_key(state, f"offset_feature_layers.{joint}.1", x)
            offsets.append(conv(state, f"offset_final_layer.{joint}", x))
        got = network(pixels)
    torch.testing.assert_close(got.heat[0], heat)
    torch.testing.assert_close(got.offset, torch.cat(offsets, 1))
