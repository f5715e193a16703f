"""`python -m builders.release`: from a finished run to the shipped model folder.

Exports the averaged weights, measures the exported graph with the default engine in fp32 on the
validation sets, and writes the figures into the manifest. The model card is written by hand beside
it.
"""

import shutil
from pathlib import Path
from typing import Annotated, cast

import typer
from torch import nn

from builders.evaluation.coco_eval import box_statistics, evaluate, find_boxes_of
from builders.evaluation.labels import labelled_set, read_labels
from builders.evaluation.people import predict_with
from builders.evaluation.systems import boxes_of_detector
from builders.model_folder import write_manifest, write_model
from builders.release_forms import RELEASE_FORMS, ReleaseForm
from builders.training.checkpoint import averaged_weights
from builders.training.recipe import Recipe, load_recipe, make_task
from builders.training.settings import DataSettings, Folders
from engines.artefact import Artefact, Thresholds, load_artefact
from engines.canvas_stage import EngineFactory
from engines.detector import Detector
from engines.engine import Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from stream.clock import SystemClock
from stream.errors import ConfigError


def main(
    run: Annotated[Path, typer.Option(help="Folder of a finished run.")],
    data: Annotated[Path, typer.Option(help="Folder with the labelled sets.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    min_score: Annotated[float, typer.Option(help="Score below which it is nobody.")],
    start_score: Annotated[
        float | None, typer.Option(help="Score from which a pose starts a track; else min-score.")
    ] = None,
) -> None:
    """Exports and measures a trained network."""
    recipe = load_recipe(run / "recipe.yaml")
    form = release_form(recipe)
    network, steps = trained_network(recipe, Folders(data, run))
    about = {
        "name": recipe.name,
        "description": form.description,
        "canvases": form.canvases,
        "thresholds": {"min_score": form.weak_score, **form.suppression},
        "licence": "Apache-2.0",
        "training": _training(recipe, steps),
        "accuracy": {},
    }
    manifest = write_model(form.graph(network), form.stage, out, about)
    accuracy = measure(load_artefact(out), data, cast(DataSettings, recipe.task).validation)
    thresholds = Thresholds(min_score=min_score, start_score=start_score, **form.suppression)
    known = {"accuracy": accuracy, "thresholds": thresholds}
    write_manifest(manifest.model_copy(update=known), out)
    shutil.copyfile(run / "curves.png", out / "curves.png")
    typer.echo(f"{out}: {accuracy}")


def release_form(recipe: Recipe) -> ReleaseForm:
    """How the recipe's network is released.

    Raises:
        ConfigError: if it is none that is.
    """
    form = RELEASE_FORMS.get(recipe.network)
    if form is None:
        names = ", ".join(sorted(RELEASE_FORMS))
        raise ConfigError(f"recipe {recipe.name}: trains {recipe.network}, expected one of {names}")
    return form


def trained_network(recipe: Recipe, folders: Folders) -> tuple[nn.Module, int]:
    """What is released of a run's averaged network, in evaluation mode, and its step."""
    task = make_task(recipe, folders)
    network = task.build()
    weights, steps = averaged_weights(folders.run / "checkpoint.pt")
    network.load_state_dict(weights)
    return task.released(network).eval(), steps


def measure(artefact: Artefact, data: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Figures of the exported graph, fp32, by `NAME/val METRIC`: AP and AR, boxes: AP and AP50."""
    measured = _poses if artefact.manifest.stage == "one_pass" else _boxes
    return {
        f"{name}/val {metric}": round(value, 4)
        for name in names
        for metric, value in measured(artefact, data, name).items()
    }


def _poses(artefact: Artefact, data: Path, name: str) -> dict[str, float]:
    estimator = OnePassEstimator(artefact, _opener(artefact), clock=SystemClock())
    found = evaluate(predict_with(estimator), labelled_set(data, name, "val"))
    estimator.close()
    return {"AP": found["AP"], "AR": found["AR"]}


def _boxes(artefact: Artefact, data: Path, name: str) -> dict[str, float]:
    detector = Detector(artefact, _opener(artefact), clock=SystemClock())
    labels = read_labels(labelled_set(data, name, "val"))
    boxes, _ = find_boxes_of(boxes_of_detector(detector), labels, SystemClock())
    detector.close()
    figures = box_statistics(labels, boxes)
    return {"box AP": figures["AP"], "box AP50": figures["AP50"]}


def _opener(artefact: Artefact) -> EngineFactory:
    return lambda canvas: open_engine(artefact, canvas=canvas, precision=Precision.FP32)


def _training(recipe: Recipe, steps: int) -> dict[str, str]:
    settings = cast(DataSettings, recipe.task)
    start = getattr(settings, "start_weights", None)
    return {
        "recipe": f"configs/train/{recipe.name}.yaml",
        "start_weights": start.name if start else "none",
        "data": ", ".join(item.name for item in settings.sets),
        "seed": str(recipe.seed),
        "steps": str(steps),
        "batch": str(recipe.batch),
    }


if __name__ == "__main__":
    typer.run(main)
