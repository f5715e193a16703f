"""`posestream train`: trains, or resumes, a network."""

from pathlib import Path
from shutil import copyfile
from typing import Annotated

import torch
import typer

from builders.training.loop import Place, begun
from builders.training.processes import device_named, joined
from builders.training.recipe import load_recipe, make_task
from builders.training.settings import Folders
from builders.training.state import RECIPE

EXAMPLES = "\n".join((
    "[bold]Examples[/bold]",
    "posestream train configs/train/bottom_up.yaml --data DATA --run runs/bottom_up",
    "[dim]# one process per GPU; gradients are averaged[/dim]",
    "torchrun --nproc-per-node 4 -m builders.training RECIPE.yaml --data DATA --run RUN "
    "--device cuda",
))  # fmt: skip

app = typer.Typer(add_completion=False)


@app.command(name="train", epilog=EXAMPLES)
def train_command(
    recipe_path: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", show_default=False)],
    *,
    data: Annotated[
        Path, typer.Option(help="Folder that the recipe's paths start from.", metavar="DIR")
    ],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and curves.", metavar="DIR")],
    threads: Annotated[
        int, typer.Option(min=1, help="Compute threads; 1 beside other programs.", metavar="N")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train a network from a recipe, or continue where `RUN/checkpoint.pt` stopped.

    Writes recipe.yaml, checkpoint.pt, history.jsonl and curves.png. The same recipe gives the same
    loss curve, interrupted or not.
    """
    recipe = load_recipe(recipe_path)
    torch.set_num_threads(threads)
    here = device_named(device)
    with joined(here) as rank:
        run.mkdir(parents=True, exist_ok=True)
        task = make_task(recipe, Folders(data, run))
        training = begun(recipe, task, Place(run, here, rank))
        if rank.leads:  # taken, and not yet trained: a run that is killed tells what it was
            copyfile(recipe_path, run / RECIPE)
        training.go()
