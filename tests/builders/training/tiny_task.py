"""A task without pictures that runs in milliseconds: dropout, batch norm and a late group."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from builders.training.recipe import Recipe, Warmup
from builders.training.settings import Frozen
from builders.training.task import Losses, ParameterGroup, TrainingTask


class TinyTask(TrainingTask):
    """Learns to add eight numbers."""

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
        )

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        first, norm, _, _, last = network.children()
        late = ParameterGroup(tuple(last.parameters()), rate, start=3)
        return [ParameterGroup((*first.parameters(), *norm.parameters()), rate), late]

    def examples(self) -> "TinyTask":
        return self

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        numbers = torch.from_numpy(rng.normal(size=8).astype(np.float32))
        return {"numbers": numbers, "sum": numbers.sum(0, keepdim=True)}

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        noise = 0.01 * torch.rand(batch["sum"].shape, generator=random)
        error = (network(batch["numbers"]).float() - batch["sum"] + noise).square().mean()
        return error, {"error": error}

    def validate(self, network: nn.Module) -> dict[str, float]:
        assert not network.training
        return {"tiny AP": 0.5}


def tiny_recipe(steps: int, **changed: Any) -> Recipe:
    given = {"checkpoint_every": 4, "evaluate_every": 4, "workers": 0, "rate": 0.01} | changed
    return Recipe(
        name="tiny",
        network="tiny",
        steps=steps,
        batch=4,
        warmup=Warmup(steps=2),
        task=Frozen(),
        **given,
    )
