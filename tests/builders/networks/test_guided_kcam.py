import pytest
import torch
from torch import nn

from builders.networks.guided_heatmaps import GuidedHeatmaps, nearness
from builders.networks.guided_kcam import GuidedKcam
from builders.networks.kcam import Kcam


def network() -> GuidedHeatmaps:
    torch.manual_seed(0)
    made = GuidedHeatmaps(0.25)
    nn.init.normal_(made.final_layer.weight, std=0.5)
    return made.eval()


def test_it_can_start_with_the_guided_maps_of_its_network() -> None:
    guided, pixels = network(), torch.rand(4, 3, 64, 64) * 2 - 1
    kcam = GuidedKcam(guided)
    kcam.start_as_network(pixels)
    with torch.no_grad():
        torch.testing.assert_close(kcam.eval()(pixels), guided(pixels), rtol=1e-3, atol=1e-4)


def test_final_maps_are_weak_away_from_the_guess_of_the_person_meant() -> None:
    kcam, pixels = GuidedKcam(network()).eval(), torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        maps = kcam.all_maps(pixels)
        near = nearness(maps.first.centre, maps.first.regress)
        torch.testing.assert_close(kcam(pixels), maps.final * near)
    assert near.min() < 1


def test_the_context_is_of_the_person_meant() -> None:
    """Regions are guided: without that the same weights give other final maps."""
    guided = network()
    kcam, plain = GuidedKcam(guided).eval(), Kcam(guided).eval()
    for module in kcam.modules():
        if isinstance(module, nn.Conv2d) and module is not guided.final_layer:
            module.weight.data.mul_(3)
    plain.load_state_dict(kcam.state_dict())
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        maps = kcam.all_maps(pixels)
        features = guided.features(guided.shared(pixels))
        regions = maps.first.heat * nearness(maps.first.centre, maps.first.regress)
        expected = kcam.final_layer(kcam.context(features, regions))
        torch.testing.assert_close(maps.final, expected)
        assert not torch.equal(maps.final, plain.maps(pixels).final)


@pytest.mark.parametrize("part", ["centre", "regress", "head", "final_layer"])
def test_gradient_of_the_final_maps_reaches_what_it_should(part: str) -> None:
    """The guess is taught by its own loss, not by where regions lie."""
    guided = network().train()
    kcam = GuidedKcam(guided).train()
    torch.autograd.backward(kcam.all_maps(torch.rand(2, 3, 64, 64)).final.square().mean())
    learns = [p.grad is not None for p in getattr(guided, part).parameters()]
    assert all(learns) if part in ("head", "final_layer") else not any(learns)
