"""Evaluates one system on one labelled set, shows tables and writes files."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from builders.evaluation.boxes import BoxesOf
from builders.evaluation.coco_eval import (
    FoundPeople,
    PredictShown,
    Shown,
    box_statistics,
    find_boxes_of,
    find_people_of,
    keypoint_statistics,
)
from builders.evaluation.crowd import crowd_statistics
from builders.evaluation.error_plot import draw_errors
from builders.evaluation.error_report import error_report
from builders.evaluation.eval_settings import EvalSettings
from builders.evaluation.eval_tables import FIGURES, progress_on, show_evaluation
from builders.evaluation.labels import Labels, read_labels, require_joints
from builders.evaluation.pck import pck_report
from builders.evaluation.systems import open_system
from stream.clock import Clock
from stream.errors import ConfigError

COUNTS = ("people", "pictures")

Evaluation = dict[str, Any]
"""The figures, and the sections that were asked for."""


def run_evaluation(
    settings: EvalSettings, console: Console, progress: Console, clock: Clock
) -> Evaluation:
    """Evaluates, shows what came out on `console`, and writes the files that were asked for.

    Raises:
        ConfigError: if labels, models and options do not go together, or a file cannot be written.
        SourceError: if a picture is missing.
        EngineError: if an engine fails.
    """
    _require_writable(settings)
    labels = read_labels(settings.labelled)
    with open_system(settings.system, labels) as system:
        shown = progress_on(progress, f"{system.name} on {settings.labelled.annotations.name}")
        if system.boxes is not None:
            evaluation = _of_boxes(settings, labels, system.boxes, clock, shown)
        elif system.people is not None:
            evaluation = _of_people(settings, labels, system.people, clock, shown)
        title = f"{system.name} ({system.engines()}), {settings.labelled.annotations}"
    report = evaluation.pop("report", None)
    if settings.plot_path and report:
        draw_errors(report, settings.plot_path, title)
    if not settings.quiet:
        show_evaluation(evaluation, report if settings.errors else None, console, title)
    if settings.json_path:
        _write_json(settings.json_path, evaluation)
    return evaluation


def _of_people(
    settings: EvalSettings, labels: Labels, predict: PredictShown, clock: Clock, shown: Shown
) -> Evaluation:
    require_joints(labels)
    found = find_people_of(predict, labels, clock, shown)
    statistics = keypoint_statistics(labels, found.people)
    evaluation = _figures(statistics, found.seconds)
    if settings.crowd:
        evaluation["crowd"] = crowd_statistics(labels, found.people)
    if settings.pck:
        evaluation["pck"] = asdict(pck_report(labels, found.people, settings.pck))
    return evaluation | _error_sections(settings, labels, found)


def _error_sections(settings: EvalSettings, labels: Labels, found: FoundPeople) -> Evaluation:
    if not settings.errors and not settings.plot_path:
        return {}
    report = error_report(labels, found.people)
    section = {"errors": report.as_json()} if settings.errors else {}
    return section | {"report": report}


def _of_boxes(
    settings: EvalSettings, labels: Labels, boxes_of: BoxesOf, clock: Clock, shown: Shown
) -> Evaluation:
    asked = {"--errors": settings.errors, "--crowd": settings.crowd, "--pck": settings.pck,
             "--plot": settings.plot_path}  # fmt: skip
    if wrong := [option for option, value in asked.items() if value]:
        raise ConfigError(f"{', '.join(wrong)}: of poses only; a detector gives boxes")
    found, seconds = find_boxes_of(boxes_of, labels, clock, shown)
    return _figures(box_statistics(labels, found), seconds)


def _figures(statistics: Mapping[str, float], seconds: float) -> Evaluation:
    values: Mapping[str, float] = {**statistics, "seconds": seconds}
    return {name: int(values[name]) if name in COUNTS else values[name] for name in FIGURES}


def _require_writable(settings: EvalSettings) -> None:
    """An evaluation of an hour should not fail at its end."""
    for option, path in (("--json", settings.json_path), ("--plot", settings.plot_path)):
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{option} {path}: no folder {path.parent}; make it first")


def _write_json(path: Path, evaluation: Evaluation) -> None:
    try:
        path.write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {path}: cannot be written: {error.strerror}") from error
