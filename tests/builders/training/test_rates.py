import math

import pytest
import torch

from builders.training.rates import rate_share, set_rates, warm_share
from builders.training.recipe import Cosine, Milestones, Warmup
from tests.builders.training.tiny_task import tiny_recipe


def test_half_a_cosine_falls_to_its_floor() -> None:
    recipe = tiny_recipe(100, schedule=Cosine(floor=0.02))
    assert rate_share(recipe, 0) == pytest.approx(1.02)
    assert rate_share(recipe, 25) == pytest.approx(0.5 + math.cos(math.pi / 4) / 2 + 0.02)
    assert rate_share(recipe, 100) == pytest.approx(0.02)


def test_the_rate_falls_at_each_milestone() -> None:
    recipe = tiny_recipe(100, schedule=Milestones(at=(10, 20)))
    shares = [rate_share(recipe, step) for step in (9, 10, 19, 20)]
    assert shares == pytest.approx([1, 0.1, 0.1, 0.01])


def test_warm_up_grows_evenly_or_holds() -> None:
    even = [warm_share(Warmup(steps=4), since) for since in (-1, 0, 1, 3, 4)]
    assert even == [0, 0.25, 0.5, 1, 1]
    held = Warmup(steps=4, share=1 / 3, constant=True)
    assert [warm_share(held, since) for since in (0, 3, 4)] == [1 / 3, 1 / 3, 1]


def test_a_group_that_has_not_begun_stands_still() -> None:
    weight = torch.zeros(1, requires_grad=True)
    group = {"params": [weight], "lr": 0.0, "top": 0.5, "start": 10}
    recipe = tiny_recipe(100, schedule=Cosine(floor=0.0))
    set_rates(recipe, [group], 9)
    assert not weight.requires_grad
    set_rates(recipe, [group], 10)
    assert weight.requires_grad
    assert group["lr"] == pytest.approx(0.5 * rate_share(recipe, 10) / 2)
