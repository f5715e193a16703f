"""`python -m builders.evaluation`: how good is a model, beside its peers."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from builders.evaluation.report import (
    as_markdown,
    evaluate_systems,
    movenet_systems,
    our_system,
)
from builders.evaluation.systems import EngineChoice, with_weak_people
from engines.artefact import Artefact
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.errors import PoseStreamError


def main(
    model: Annotated[str, typer.Option(help="Name in the zoo, or a model folder.")],
    shared: Annotated[Path, typer.Option(help="Folder with labelled/, videos/ and weights/.")],
    out: Annotated[Path, typer.Option("--json", help="File for all figures.")],
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = 1,
    engine: Annotated[EngineName, typer.Option(help="Engine of the model.")] = EngineName.AUTO,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures of the errors.")] = None,
) -> None:
    """Evaluates a model and MoveNet MultiPose on the same pictures and clips."""
    try:
        content = compare_with_peers(
            find_model(model), EngineChoice(engine, threads=threads), shared, plots
        )
    except PoseStreamError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(as_markdown(content["figures"]))


def compare_with_peers(
    artefact: Artefact, choice: EngineChoice, shared: Path, plots: Path | None
) -> dict[str, Any]:
    """All figures of a model and its peers, and what ran."""
    estimator = OnePassEstimator(
        with_weak_people(artefact), choice.opener(artefact), clock=SystemClock()
    )
    try:
        ours = our_system(estimator, artefact.manifest.thresholds.min_score)
        systems = (ours, *movenet_systems(shared, choice.threads or 1))
        report = evaluate_systems(systems, shared, lambda text: typer.echo(text, err=True), plots)
        engines = sorted({f"{s.engine} {s.version} {s.precision}" for s in estimator.engine_specs})
    finally:
        estimator.close()
    thresholds = {system.name: system.min_score for system in systems}
    return {"engines": engines, "min_score_on_clips": thresholds, "figures": report}


if __name__ == "__main__":
    typer.run(main)
