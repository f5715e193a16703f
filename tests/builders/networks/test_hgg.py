import pytest
import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.hgg import AdaptiveUnit, Hgg, HigherHgg
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


def unit_by_key(state: State, key: str, x: Tensor, dilation: int) -> Tensor:
    offset = affine_offset_by_hand(conv(state, f"{key}.transform_matrix_conv1", x, 1, 1))
    y = deformable_tensor(x, offset, state[f"{key}.stn_conv1.weight"], dilation)
    y = norm(state, f"{key}.bn1", y).relu()
    offset = affine_offset_by_hand(conv(state, f"{key}.transform_matrix_conv2", x, 1, 1))
    y = deformable_tensor(y, offset, state[f"{key}.stn_conv2.weight"], dilation)
    return (norm(state, f"{key}.bn2", y) + x).relu()


def concatenation(branches: list[Tensor]) -> Tensor:
    size = branches[0].shape[-2:]
    coarse = [functional.interpolate(x, size, mode="bilinear") for x in branches[1:]]
    return torch.cat([branches[0], *coarse], 1)


def transition(state: State, key: str, x: Tensor) -> Tensor:
    return norm(state, f"{key}.1", conv(state, f"{key}.0", x)).relu()


def hgg_by_key(state: State, pixels: Tensor) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """The three joint maps, centre, offsets and the guide."""
    features = concatenation(hrnet_branches(state, pixels, 4))
    guide = transition(state, "transition_cls", features)
    maps = []
    for index, dilation in enumerate((1, 2, 3)):
        y = unit_by_key(state, f"multi_level_layers_4x_heatmap.{index}.0", guide, dilation)
        maps.append(conv(state, "final_layers.0", y))
    mean = (maps[0] + maps[1] + maps[2]) / 3
    regression = transition(state, "transition_reg", torch.cat([features, mean], 1))
    regression = unit_by_key(state, "multi_level_layers_4x_regression.0.0", regression, 1)
    out = conv(state, "final_layers.1", regression)
    return maps, out[:, 34:35], out[:, :34], guide


@pytest.mark.parametrize(("width", "expected"), [(32, 30_678_516), (48, 66_803_428)])
def test_has_the_published_number_of_parameters(width: int, expected: int) -> None:
    with torch.device("meta"):
        assert parameter_count(Hgg(width)) == expected


def test_higher_form_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert parameter_count(HigherHgg(48)) == 66_895_941


def test_published_key_names_and_shapes() -> None:
    with torch.device("meta"):
        state = HigherHgg(48).state_dict()
    unit = "multi_level_layers_4x_heatmap.2.0"
    expected = {
        "transition_cls.0.weight": (48, 720, 1, 1),
        "transition_reg.0.weight": (256, 737, 1, 1),
        "transition_reg.1.running_mean": (256,),
        f"{unit}.regular_matrix": (2, 9),
        f"{unit}.transform_matrix_conv1.weight": (4, 48, 3, 3),
        f"{unit}.transform_matrix_conv2.bias": (4,),
        f"{unit}.stn_conv1.weight": (48, 48, 3, 3),
        f"{unit}.bn2.running_var": (48,),
        "multi_level_layers_4x_regression.0.0.stn_conv2.weight": (256, 256, 3, 3),
        "final_layers.0.weight": (17, 48, 1, 1),
        "final_layers.1.bias": (35,),
        "final_layers.2.weight": (17, 48, 1, 1),
        "deconv_layers.0.0.0.weight": (65, 48, 4, 4),
        "deconv_layers.0.0.1.weight": (48,),
        "deconv_layers.0.1.0.conv2.weight": (48, 48, 3, 3),
    }
    assert {key: tuple(state[key].shape) for key in expected} == expected
    assert "final_layers.2.weight" not in Hgg(4).state_dict()


def test_branches_share_convolution_weights_but_not_biases_and_norms() -> None:
    network = Hgg(4)
    first, second, third = (
        network.get_submodule(f"multi_level_layers_4x_heatmap.{index}.0") for index in range(3)
    )
    for name in ("transform_matrix_conv1", "transform_matrix_conv2", "stn_conv1", "stn_conv2"):
        weights = {id(getattr(unit, name).weight) for unit in (first, second, third)}
        assert len(weights) == 1, name
    for name in ("transform_matrix_conv1", "transform_matrix_conv2", "bn1", "bn2"):
        assert getattr(first, name).bias is not getattr(second, name).bias
    tied = [key for key in network.state_dict() if key.endswith("0.stn_conv1.weight")]
    assert len(tied) == 4  # the tied weight three times, and the offset branch


def test_all_taps_of_dilation_1_start_on_the_centre() -> None:
    network = Hgg(4)
    unit = network.get_submodule("multi_level_layers_4x_heatmap.0.0")
    assert isinstance(unit, AdaptiveUnit)
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(unit.transform_matrix_conv1(x), torch.zeros(1, 4, 5, 5))
    summed = unit.stn_conv1.weight.sum((2, 3), keepdim=True)
    offset = -unit.regular_matrix.t().reshape(1, 18, 1, 1).expand(1, 18, 5, 5)
    torch.testing.assert_close(unit.stn_conv1(x, offset), functional.conv2d(x, summed))


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_unit_equals_the_layers_written_by_key(dilation: int) -> None:
    unit = AdaptiveUnit(3, dilation)
    randomise(unit)
    x = torch.randn(1, 3, 6, 5, dtype=torch.float64)
    state = {f"u.{key}": value for key, value in unit.state_dict().items()}
    torch.testing.assert_close(unit(x).detach(), unit_by_key(state, "u", x, dilation))


def test_maps_equal_the_layers_written_by_key() -> None:
    network = Hgg(2)
    randomise(network)
    pixels = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        maps, centre, offset, _ = hgg_by_key(network.state_dict(), pixels)
        got = network(pixels)
    (heat,) = got.heat
    torch.testing.assert_close(heat[:, :17], torch.stack(maps).mean(0))
    torch.testing.assert_close(heat[:, 17:], centre)
    torch.testing.assert_close(got.offset, offset)
    assert got.fine_heat is None


def test_higher_form_returns_three_maps_with_centre_and_the_stride_2_map() -> None:
    network = HigherHgg(2)
    randomise(network)
    state = network.state_dict()
    pixels = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        maps, centre, offset, guide = hgg_by_key(state, pixels)
        fine = torch.cat([guide, torch.stack(maps).mean(0)], 1)
        fine = functional.conv_transpose2d(fine, state["deconv_layers.0.0.0.weight"], None, 2, 1)
        fine = norm(state, "deconv_layers.0.0.1", fine).relu()
        fine = conv(state, "final_layers.2", basic_block(state, "deconv_layers.0.1.0", fine))
        got = network(pixels)
    assert got.fine_heat is not None
    torch.testing.assert_close(got.fine_heat, fine)
    torch.testing.assert_close(got.offset, offset)
    for heat, expected in zip(got.heat, maps, strict=True):
        torch.testing.assert_close(heat, torch.cat([expected, centre], 1))


def test_gradient_flows_into_every_parameter() -> None:
    network = HigherHgg(2)
    randomise(network)
    network.train()
    got = network(torch.randn(2, 3, 64, 64, dtype=torch.float64))
    assert got.fine_heat is not None
    total = sum((heat.square().mean() for heat in got.heat), got.offset.square().mean())
    (total + got.fine_heat.square().mean()).backward()
    still = [name for name, value in network.named_parameters() if value.grad is None]
    assert still == []
