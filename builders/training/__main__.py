"""`python -m builders.training RECIPE.yaml --data DIR --run DIR`: trains, or resumes, a network."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from builders.networks.bottom_up import CompactBottomUp
from builders.networks.mobilenet_fpn import load_movenet, load_movenet_heads
from builders.training.loop import new_state, train
from builders.training.recipe import Recipe, load_recipe
from builders.training.sets import load_sets
from builders.training.validation import validate


def main(
    recipe_path: Annotated[Path, typer.Argument(metavar="RECIPE.yaml")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's paths start from.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and curves.")],
    threads: Annotated[int, typer.Option(help="Compute threads; 1 beside other programs.")] = 1,
) -> None:
    """Trains a network from a recipe; continues where `RUN/checkpoint.pt` stopped."""
    recipe = load_recipe(recipe_path)
    torch.set_num_threads(threads)
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(recipe_path.read_text(encoding="utf-8"), encoding="utf-8")
    sets = load_sets(recipe, data, run / "frames")
    state = new_state(recipe, build(recipe, data))
    if (run / "checkpoint.pt").exists():
        state.load(run / "checkpoint.pt")
    train(recipe, sets, state, run, lambda network: validate(network, data, recipe.validation))


def build(recipe: Recipe, data: Path) -> CompactBottomUp:
    """The recipe's network with its start weights, seeded."""
    torch.manual_seed(recipe.seed)
    network = CompactBottomUp(recipe.guide_channels, recipe.regression_channels)
    if recipe.start_weights is not None:
        load_movenet(network.trunk, data / recipe.start_weights)
        load_movenet_heads(network.first, data / recipe.start_weights)
    return network


if __name__ == "__main__":
    typer.run(main)
