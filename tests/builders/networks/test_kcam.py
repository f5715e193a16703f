import numpy as np
import pytest
import torch
from torch import nn

from builders.networks.compact_heatmaps import CompactHeatmaps
from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.hrnet import HrNet
from builders.networks.kcam import (
    Kcam,
    KcamMaps,
    KcamSettings,
    KeypointContext,
    RegionWeights,
    kcam_loss,
    region_weights,
)
from builders.networks.simple_baseline import SimpleBaseline
from tests.builders.networks.random_weights import State, conv, parameter_count, randomise


def projected(state: State, key: str, x: np.ndarray) -> np.ndarray:
    """1x1 convolution, batch norm, ReLU of (C, n) columns."""
    weight = state[f"{key}.0.weight"].numpy()[:, :, 0, 0]
    mean, variance = (state[f"{key}.1.running_{name}"].numpy() for name in ("mean", "var"))
    y = (weight @ x - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5)
    y = y * state[f"{key}.1.weight"].numpy()[:, None] + state[f"{key}.1.bias"].numpy()[:, None]
    rectified: np.ndarray = np.maximum(y, 0)
    return rectified


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_context_equals_a_worked_example_pixel_by_pixel(scale: float) -> None:
    module = KeypointContext(6, KcamSettings(similarity_scale=scale))
    randomise(module)
    state = module.state_dict()
    features = torch.randn(1, 6, 3, 4, dtype=torch.float64)
    maps = torch.randn(1, 17, 3, 4, dtype=torch.float64)
    f, g = features[0].numpy().reshape(6, 12), np.maximum(maps[0].numpy().reshape(17, 12), 0)
    regions = np.zeros((6, 17))
    for k in range(17):
        for i in range(12):
            regions[:, k] += g[k, i] / g[k].sum() * f[:, i]
    query, key, value = (
        projected(state, name, x)
        for name, x in (("query", f), ("key", regions), ("value", regions))
    )
    context = np.zeros((6, 12))
    for i in range(12):
        likeness = np.exp(scale * query[:, i] @ key)
        for j in range(17):
            context[:, i] += likeness[j] / likeness.sum() * value[:, j]
    expected = projected(state, "fusion", np.concatenate([f, context]))  # features first
    got = module(features, maps)[0].detach().numpy().reshape(6, 12)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_softmax_regions_with_a_scale_are_an_option() -> None:
    maps = torch.randn(1, 17, 2, 3, dtype=torch.float64)
    settings = KcamSettings(RegionWeights.SOFTMAX, softmax_scale=5)
    flat = np.exp(5 * maps.numpy().reshape(1, 17, 6))
    np.testing.assert_allclose(
        region_weights(maps, settings).numpy(), flat / flat.sum(-1, keepdims=True)
    )


def test_a_map_without_heat_gives_no_weights_and_no_nan() -> None:
    assert region_weights(torch.full((1, 17, 2, 2), -1.0), KcamSettings()).abs().sum().item() == 0


def test_a_plain_softmax_would_be_nearly_flat_where_the_default_is_not() -> None:
    maps = torch.zeros(1, 17, 64, 48)
    maps[:, :, 30, 20] = 1
    peak = 30 * 48 + 20
    assert region_weights(maps, KcamSettings())[0, 0, peak].item() == pytest.approx(1)
    flat = region_weights(maps, KcamSettings(RegionWeights.SOFTMAX))[0, 0, peak].item()
    assert flat < 0.001


def test_network_feeds_its_own_maps_and_features_through_the_module() -> None:
    network = Kcam(HrNet(4))
    randomise(network)
    state = network.state_dict()
    pixels = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        features = network.network.features(network.network.shared(pixels))
        intermediate = conv(state, "network.final_layer", features)
        final = conv(state, "final_layer", network.context(features, intermediate))
        got = network.maps(pixels)
        torch.testing.assert_close(got.intermediate, intermediate)
        torch.testing.assert_close(got.final, final)
        torch.testing.assert_close(network(pixels), final)


def test_added_parameters_on_resnet_and_hrnet() -> None:
    with torch.device("meta"):
        for base, channels in ((SimpleBaseline(50), 256), (HrNet(32), 32)):
            added = parameter_count(Kcam(base)) - parameter_count(base)
            c = channels
            layers = 3 * (c * c + 2 * c) + (2 * c * c + 2 * c) + 17 * c + 17
            assert added == layers


def test_loss_is_the_final_one_and_a_fifth_of_the_intermediate_one() -> None:
    final, intermediate, target = torch.randn(3, 2, 17, 4, 4)
    weight = torch.ones(2, 17)
    expected = heatmap_loss(final, target, weight) + 0.2 * heatmap_loss(
        intermediate, target, weight
    )
    assert kcam_loss(KcamMaps(final, intermediate), target, weight).item() == pytest.approx(
        expected.item()
    )


def test_gradient_flows_into_every_parameter_and_through_the_regions() -> None:
    network = Kcam(HrNet(4)).train()
    maps = network.maps(torch.randn(2, 3, 64, 64))
    torch.autograd.backward(maps.final.square().mean())
    still = [name for name, value in network.named_parameters() if value.grad is None]
    assert still == []  # network.final_layer too, through the regions


def test_projections_have_batch_norm_and_no_bias() -> None:
    with torch.device("meta"):
        keys = set(KeypointContext(4, KcamSettings()).state_dict())
    assert "query.0.bias" not in keys
    assert {"query.1.running_mean", "key.1.bias", "value.1.weight", "fusion.1.weight"} <= keys


def test_it_can_start_with_the_maps_of_its_network() -> None:
    network = CompactHeatmaps(0.25)
    nn.init.normal_(network.final_layer.weight, std=0.5)
    kcam, pixels = Kcam(network), torch.rand(4, 3, 64, 64)
    kcam.start_as_network(pixels)
    with torch.no_grad():
        maps = kcam.eval().maps(pixels)
        torch.testing.assert_close(maps.final, maps.intermediate, rtol=1e-3, atol=1e-4)
        training = kcam.train().maps(pixels)
        torch.testing.assert_close(training.final, training.intermediate, rtol=1e-2, atol=1e-3)
    assert kcam.final_layer is not network.final_layer


def test_weights_of_a_started_compact_one_mean_the_same_in_a_new_one() -> None:
    network = CompactHeatmaps(0.25)
    nn.init.normal_(network.final_layer.weight, std=0.5)
    started, pixels = Kcam(network), torch.rand(2, 3, 64, 64)
    started.start_as_network(pixels)
    new = Kcam(CompactHeatmaps(0.25))
    with torch.no_grad():
        assert 0 < new.eval()(pixels).max() < 0.1  # heat, and little of it
        new.load_state_dict(started.state_dict())
        torch.testing.assert_close(new(pixels), started.eval()(pixels))
