"""`python -m builders.release`: from a finished run to the shipped model folder.

Exports the averaged weights, measures the exported graph with the default engine in fp32 on the
validation sets, and writes the figures into the manifest. The model card is written by hand beside
it.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from builders.model_folder import write_manifest, write_model
from builders.release_figures import MeasuredOn, measure
from builders.release_forms import RELEASE_FORMS, ReleaseForm
from builders.training.checkpoint import averaged_weights
from builders.training.recipe import Recipe, load_recipe, make_task
from builders.training.settings import Folders
from builders.training.state import CHECKPOINT, RECIPE
from engines.artefact import Thresholds, load_artefact
from stream.errors import ConfigError


def main(  # noqa: PLR0913 - one parameter for each option: Typer reads the signature
    run: Annotated[Path, typer.Option(help="Folder of a finished run.")],
    data: Annotated[Path, typer.Option(help="Folder with the labelled sets.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    *,
    name: Annotated[str | None, typer.Option(help="Of the model; else the recipe's.")] = None,
    size: Annotated[
        str | None, typer.Option(help="`plain`: no units; `fast`, `tiny`: smaller canvases, too.")
    ] = None,
    min_score: Annotated[float, typer.Option(help="Score below which it is nobody.")] = 0.25,
    start_score: Annotated[
        float | None, typer.Option(help="Score from which a pose starts a track; else min-score.")
    ] = None,
    poses_of: Annotated[
        str, typer.Option(help="Whose poses a refiner is measured on: MODEL, A+B, truth+MODEL.")
    ] = "bottom_up",
) -> None:
    """Exports and measures a trained network."""
    recipe = load_recipe(run / RECIPE)
    form = release_form(recipe, size)
    network, steps = trained_network(recipe, Folders(data, run))
    about = {
        "name": name or recipe.name,
        "description": form.description,
        "canvases": form.canvases,
        "crop_padding": form.crop_padding,
        "fp32_layers": form.fp32_layers,
        "thresholds": {"min_score": form.weak_score, **form.suppression},
        "licence": "Apache-2.0",
        "training": _training(recipe, steps) if form.holds_training else _only_started(recipe),
        "accuracy": {},
    }
    manifest = write_model(form.graph(network), form.stage, out, about)
    accuracy = measure(load_artefact(out), _measured_on(recipe, data, poses_of))
    thresholds = Thresholds(min_score=min_score, start_score=start_score, **form.suppression)
    known = {"accuracy": accuracy, "thresholds": thresholds}
    write_manifest(manifest.model_copy(update=known), out)
    if form.holds_training:
        shutil.copyfile(run / "curves.png", out / "curves.png")
    typer.echo(f"{out}: {accuracy}")


def release_form(recipe: Recipe, size: str | None = None) -> ReleaseForm:
    """How the recipe's network is released.

    Raises:
        ConfigError: if it is none that is, or not in that size.
    """
    kind = f"{recipe.network} {size}" if size else recipe.network
    make = RELEASE_FORMS.get(kind)
    if make is None:
        names = ", ".join(sorted(RELEASE_FORMS))
        raise ConfigError(f"recipe {recipe.name}: trains {kind}, expected one of {names}")
    return make(recipe.task)


def trained_network(recipe: Recipe, folders: Folders) -> tuple[nn.Module, int]:
    """What is released of a run's averaged network, in evaluation mode, and its step."""
    task = make_task(recipe, folders)
    network = task.build()
    weights, steps = averaged_weights(folders.run / CHECKPOINT)
    network.load_state_dict(weights)
    return task.released(network).eval(), steps


def _measured_on(recipe: Recipe, data: Path, poses_of: str) -> MeasuredOn:
    task: Any = recipe.task
    given: Any = getattr(task, "validation", ())
    if recipe.network == "scoring_net":
        return MeasuredOn(data, task.measured, poses_of, poses=given)
    return MeasuredOn(data, given, poses_of)


def _training(recipe: Recipe, steps: int) -> dict[str, str]:
    labels = _labels(recipe)
    return {
        "recipe": f"configs/train/{recipe.name}.yaml",
        "start_weights": _start_weights(recipe),
        "data": ", ".join(labels),
        "labels": ", ".join(dict.fromkeys(_portable(path) for path in labels.values())),
        "seed": str(recipe.seed),
        "steps": str(steps),
        "batch": str(recipe.batch),
    }


def _only_started(recipe: Recipe) -> dict[str, str]:
    return {"start_weights": _start_weights(recipe), "data": "none"}


def _labels(recipe: Recipe) -> dict[str, Path]:
    """Files of labels that were learnt from, by the name of the set."""
    task: Any = recipe.task
    if getattr(task, "train", None) is not None:  # poses of a scoring net
        return {task.train.annotations.parent.parent.name: task.train.annotations}
    return {item.name: item.annotations for item in task.sets}


def _portable(path: Path) -> str:
    """Within the data folder; of an absolute path, SET/annotations/FILE.json."""
    return Path(*path.parts[-3:]).as_posix() if path.is_absolute() else path.as_posix()


def _start_weights(recipe: Recipe) -> str:
    """The file's name; of a run or what was released of one with the name of its folder."""
    task: Any = recipe.task
    holder = getattr(task, "trunk", task)
    gone_on_with: Path | None = getattr(task, "start_run", None)
    start: Path | None = gone_on_with or getattr(holder, "start_weights", None)
    if start is None:
        return "none"
    of_a_run = start == gone_on_with or start.suffix == ".pt"
    return f"{start.parent.name}/{start.name}" if of_a_run else start.name


if __name__ == "__main__":
    typer.run(main)
