"""Steps relative to the size of what learns."""

import copy

import pytest
import torch
from torch import nn

from builders.training.relative_adam import RelativeAdam, sizes
from builders.training.settings import StartSettings
from builders.training.task import started_groups


def unequal() -> nn.Conv2d:
    """Two outputs, the second a hundred times the first."""
    layer = nn.Conv2d(2, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.01, -0.01], [1.0, -1.0]])[..., None, None])
        layer.bias.copy_(torch.tensor([3.0, -3.0]))  # type: ignore[union-attr]
    return layer


def optimizer_of(layer: nn.Conv2d, rate: float) -> RelativeAdam:
    parameters = list(layer.parameters())
    group = {"params": parameters, "lr": rate, "sizes": [sizes(p) for p in parameters]}
    return RelativeAdam([group])


def step(layer: nn.Conv2d, optimizer: RelativeAdam) -> None:
    optimizer.zero_grad()
    layer(torch.ones(1, 2, 1, 1)).sum().backward()
    optimizer.step()


def test_every_output_moves_by_the_same_share_of_itself() -> None:
    layer = unequal()
    before = copy.deepcopy(layer)
    step(layer, optimizer_of(layer, 0.1))
    moved = ((layer.weight - before.weight) / before.weight.abs()).flatten(1)
    torch.testing.assert_close(moved, torch.full((2, 2), -0.1), rtol=1e-3, atol=1e-4)
    assert layer.bias is not None
    assert before.bias is not None
    torch.testing.assert_close(layer.bias - before.bias, torch.full((2,), -0.3))


def test_a_restored_optimizer_goes_on_alike() -> None:
    layer = unequal()
    optimizer = optimizer_of(layer, 0.1)
    step(layer, optimizer)
    other = copy.deepcopy(layer)
    restored = optimizer_of(other, 0.1)  # its sizes are those of weights that moved
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(layer, optimizer)
    step(other, restored)
    torch.testing.assert_close(layer.weight, other.weight, rtol=0, atol=0)


def test_what_has_no_size_moves_as_with_adam() -> None:
    own, plain = unequal(), unequal()
    step(own, RelativeAdam(own.parameters(), lr=0.1))
    adam = torch.optim.Adam(plain.parameters(), lr=0.1)
    plain(torch.ones(1, 2, 1, 1)).sum().backward()
    adam.step()
    torch.testing.assert_close(own.weight, plain.weight)


@pytest.mark.parametrize("by_output", [False, True])
def test_started_weights_learn_relative_to_their_size(by_output: bool) -> None:
    layer = unequal()
    settings = StartSettings(head_steps=3, rate_by_output=by_output)
    rest, *started = started_groups(layer, layer.parameters(), (), (0.1, 0.01), settings)
    assert not rest.parameters
    assert {group.start for group in started} == {3}
    if by_output:
        [group] = started
        assert (group.rate, group.relative, len(group.parameters)) == (0.01, True, 2)
    else:
        assert [group.rate for group in started] == pytest.approx([0.01 * 0.7071, 0.03], rel=1e-3)
