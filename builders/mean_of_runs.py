"""`python -m builders.mean_of_runs`: one network from runs that differ in their seed alone.

Runs that began with the same weights and learnt the same end up near each other, and the mean of
their weights is often as good as the best of them (Wortsman et al., "Model soups", ICML 2022), with
no choice among them on validation data.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from builders.training.checkpoint import averaged_weights
from builders.training.history import CURVES
from builders.training.recipe import load_recipe
from builders.training.state import CHECKPOINT, RECIPE
from stream.errors import ConfigError


def mean_weights(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor; counts, which are no floats, as the first one has them.

    Args:
        states: by the same names, of the same shapes.
    """
    first = states[0]
    return {
        name: torch.stack([state[name] for state in states]).mean(0)
        if value.is_floating_point()
        else value
        for name, value in first.items()
    }


def finished_weights(runs: Sequence[Path]) -> tuple[list[dict[str, Tensor]], int]:
    """The averaged weights of runs of one recipe, and the steps of each.

    Raises:
        ConfigError: naming the first run that differs in more than its seed, or is not finished.
    """
    recipes = [load_recipe(run / RECIPE).model_copy(update={"seed": 0}) for run in runs]
    found = []
    for run, recipe in zip(runs, recipes, strict=True):
        if recipe != recipes[0]:
            raise ConfigError(f"run {run}: its recipe is not that of {runs[0]}")
        weights, step = averaged_weights(run / CHECKPOINT)
        if step != recipe.steps:
            raise ConfigError(f"run {run}: is at step {step} of {recipe.steps}")
        found.append(weights)
    return found, recipes[0].steps


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    out: Annotated[Path, typer.Option(help="Folder of a run to write, for builders.release.")],
) -> None:
    """Writes the mean of several runs as a run; recipe and curves are those of the first."""
    weights, steps = finished_weights(runs)
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"averaged": mean_weights(weights), "step": steps}, out / CHECKPOINT)
    for name in (RECIPE, CURVES):
        shutil.copyfile(runs[0] / name, out / name)


if __name__ == "__main__":
    typer.run(main)
