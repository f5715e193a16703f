import pytest

from builders.layer_choice import Layers, choose_layers, cost, layer_groups
from engines.artefact import AgreementLimits
from engines.certification.agreement import Agreement
from stream.errors import EngineError

LAYERS = tuple(f"layer{index}" for index in range(24))


def agreement(mean_oks: float) -> Agreement:
    return Agreement(20, 0, 0, 0.1, 0.2, 3, 0, mean_oks, mean_oks)


class Network:
    """Loses likeness for each of its delicate layers that is quantised."""

    def __init__(self, *delicate: str, loses: float = 0.06) -> None:
        self.delicate = set(delicate)
        self.loses = loses
        self.tried: list[Layers] = []

    def measure(self, layers: Layers) -> Agreement:
        self.tried.append(layers)
        return agreement(0.99 - self.loses * len(self.delicate & set(layers)))


def chosen(network: Network) -> tuple[Layers, Layers, list[str]]:
    said: list[str] = []
    choice = choose_layers(LAYERS, network.measure, AgreementLimits(), said.append)
    return choice.quantised, choice.kept_higher, said


def test_if_all_hold_all_are_quantised_at_once() -> None:
    network = Network()
    assert chosen(network)[:2] == (LAYERS, ())
    assert len(network.tried) == 1


def test_the_group_that_hurts_stays_higher() -> None:
    quantised, higher, said = chosen(Network("layer7"))
    assert higher == ("layer6", "layer7", "layer8")
    assert set(quantised) | set(higher) == set(LAYERS)
    assert any("cost 0.0700" in line for line in said)


def test_several_that_hurt_stay_higher_one_group_after_another() -> None:
    _, higher, _ = chosen(Network("layer1", "layer22"))
    assert set(higher) == {"layer0", "layer1", "layer2", "layer21", "layer22", "layer23"}


def test_if_nothing_holds_it_says_what_to_take_instead() -> None:
    with pytest.raises(EngineError, match="take --precision bf16 or fp16"):
        chosen(Network(*LAYERS))


def test_what_no_choice_of_layers_can_mend_is_told_at_once() -> None:
    """As where bf16, in which the others run, breaks the limits itself."""
    tried: list[Layers] = []

    def measure(layers: Layers) -> Agreement:
        tried.append(layers)
        return agreement(0.94)

    with pytest.raises(EngineError, match="not even hold with no layer quantised"):
        choose_layers(LAYERS, measure, AgreementLimits(), lambda _line: None)
    assert tried == [LAYERS, ()]


def test_groups_cover_all_layers_in_order() -> None:
    for count in range(1, 20):
        groups = layer_groups(LAYERS[:count])
        assert tuple(layer for group in groups for layer in group) == LAYERS[:count]
        assert all(groups)


def test_cost_counts_lost_likeness_and_wrong_people() -> None:
    assert cost(agreement(1.0)) == 0
    assert cost(Agreement(10, 1, 2, 0, 0, 0, 0, 0.9, 0.5)) == pytest.approx(0.4)
