"""`python -m builders.release`: from a finished run to the shipped model folder.

Exports the averaged weights, measures the exported graph with the default engine in fp32 on the
validation sets, and writes the figures into the manifest. The model card is written by hand beside
it.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from builders.evaluation.coco_eval import evaluate
from builders.evaluation.labels import labelled_set
from builders.evaluation.people import predict_with
from builders.export import write_artefact
from builders.networks.bottom_up import CompactBottomUp
from builders.networks.bottom_up_decode import DecodeSettings
from builders.training.bottom_up_task import BottomUpSettings
from builders.training.recipe import Recipe, load_recipe
from builders.training.state import averaged_weights
from builders.training.validation import CANVASES
from engines.artefact import Artefact, load_artefact
from engines.engine import Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from stream.clock import SystemClock
from stream.errors import ConfigError

AP_MIN_SCORE = 0.02
"""AP wants the weak candidates too; the shipped threshold is for people who look at results."""


def main(
    run: Annotated[Path, typer.Option(help="Folder of a finished run.")],
    data: Annotated[Path, typer.Option(help="Folder with the labelled sets.")],
    out: Annotated[Path, typer.Option(help="Model folder to write.")],
    min_score: Annotated[float, typer.Option(help="Score from which a pose is a person.")],
) -> None:
    """Exports and measures a trained network."""
    recipe = load_recipe(run / "recipe.yaml")
    network, steps = trained_network(recipe, run / "checkpoint.pt")
    about = {
        "name": recipe.name,
        "description": "Compact heatmap-guided bottom-up network; several people in one pass.",
        "canvases": CANVASES,
        "thresholds": {"min_score": AP_MIN_SCORE, "nms_oks": 0.6},
        "licence": "Apache-2.0",
        "training": _training(recipe, steps),
        "accuracy": {},
    }
    write_artefact(network, DecodeSettings(), out, about)
    accuracy = measure(load_artefact(out), data, bottom_up_settings(recipe).validation)
    thresholds = {"min_score": min_score, "nms_oks": 0.6}
    write_artefact(
        network, DecodeSettings(), out, about | {"accuracy": accuracy, "thresholds": thresholds}
    )
    shutil.copyfile(run / "curves.png", out / "curves.png")
    typer.echo(f"{out}: {accuracy}")


def trained_network(recipe: Recipe, checkpoint: Path) -> tuple[CompactBottomUp, int]:
    """The averaged network of a checkpoint in evaluation mode, and its step."""
    settings = bottom_up_settings(recipe)
    network = CompactBottomUp(settings.guide_channels, settings.regression_channels)
    weights, steps = averaged_weights(checkpoint)
    network.load_state_dict(weights)
    return network.eval(), steps


def bottom_up_settings(recipe: Recipe) -> BottomUpSettings:
    """The task section of a recipe.

    Raises:
        ConfigError: if it trains another network.
    """
    if not isinstance(recipe.task, BottomUpSettings):
        raise ConfigError(f"recipe {recipe.name}: trains {recipe.network}, not compact_bottom_up")
    return recipe.task


def measure(artefact: Artefact, data: Path, names: tuple[str, ...]) -> dict[str, float]:
    """`NAME/val AP` and `NAME/val AR` of the exported graph, fp32."""
    estimator = OnePassEstimator(
        artefact,
        lambda canvas: open_engine(artefact, canvas=canvas, precision=Precision.FP32),
        clock=SystemClock(),
    )
    accuracy = {}
    for name in names:
        found = evaluate(predict_with(estimator), labelled_set(data, name, "val"))
        accuracy[f"{name}/val AP"] = round(found["AP"], 4)
        accuracy[f"{name}/val AR"] = round(found["AR"], 4)
    estimator.close()
    return accuracy


def _training(recipe: Recipe, steps: int) -> dict[str, str]:
    settings = bottom_up_settings(recipe)
    start = settings.start_weights
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
