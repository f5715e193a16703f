"""Figures of a released graph: what its manifest says of its accuracy.

All with the default engine in fp32, on the `val` splits of labelled sets.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from builders.evaluation.coco_eval import (
    average_precision,
    box_statistics,
    evaluate,
    find_boxes_of,
    find_people_of,
    keypoint_statistics,
)
from builders.evaluation.labels import Labels, labelled_set, read_labels
from builders.evaluation.pck import PckScale, pck_report
from builders.evaluation.people import People, predict_with
from builders.evaluation.systems import (
    EngineChoice,
    SystemChoice,
    boxes_of_detector,
    open_system,
    parse_system,
)
from builders.training.scored_poses import read_scored_poses
from builders.training.scoring_task import PosesRecipe, rank_correlation
from engines.artefact import NO_PICTURE, Artefact, StageName
from engines.canvas_stage import EngineFactory
from engines.cascade.models import split_models
from engines.detector import Detector
from engines.engine import Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from stream.clock import SystemClock
from stream.errors import ConfigError

Figures = dict[str, float]
EXACT = EngineChoice(precision=Precision.FP32)


@dataclass(frozen=True, slots=True)
class MeasuredOn:
    """What a released model is measured with."""

    data: Path
    names: tuple[str, ...]
    """Labelled sets, of which the `val` split is taken."""
    poses_of: str = "bottom_up"
    """Whose poses a refiner or a scorer is given: as a user writes models."""
    poses: PosesRecipe | None = None
    """What a scorer is given."""


def measure(artefact: Artefact, on: MeasuredOn) -> Figures:
    """Figures by `NAME/val METRIC`.

    Raises:
        ConfigError: if a scorer has no poses to be measured with.
    """
    if artefact.manifest.stage == "scorer" and not on.names:
        return _rounded("", _scorer(artefact, on))
    of_set = _OF_SETS[artefact.manifest.stage]
    found: Figures = {}
    for name in on.names:
        found |= _rounded(f"{name}/val ", of_set(artefact, on, name))
    return found


def _rounded(words: str, figures: Figures) -> Figures:
    return {f"{words}{metric}": round(value, 4) for metric, value in figures.items()}


def _one_pass(artefact: Artefact, on: MeasuredOn, name: str) -> Figures:
    estimator = OnePassEstimator(artefact, _opener(artefact), clock=SystemClock())
    found = evaluate(predict_with(estimator), labelled_set(on.data, name, "val"))
    estimator.close()
    return {"AP": found["AP"], "AR": found["AR"]}


def _detector(artefact: Artefact, on: MeasuredOn, name: str) -> Figures:
    detector = Detector(artefact, _opener(artefact), clock=SystemClock())
    labels = read_labels(labelled_set(on.data, name, "val"))
    boxes, _ = find_boxes_of(boxes_of_detector(detector), labels, SystemClock())
    detector.close()
    figures = box_statistics(labels, boxes)
    return {"box AP": figures["AP"], "box AP50": figures["AP50"]}


def _top_down(artefact: Artefact, on: MeasuredOn, name: str) -> Figures:
    """In the labelled boxes, without the flip test."""
    labels = read_labels(labelled_set(on.data, name, "val"))
    people = _people(f"truth+{artefact.folder}", labels)
    statistics = keypoint_statistics(labels, people)
    found = {"AP": statistics["AP"], "AR": statistics["AR"]}
    for scale in (PckScale.TORSO, PckScale.BOX):
        shares = pck_report(labels, people, scale).total
        found |= {f"{share} ({scale})": value for share, value in shares.items()}
    return found


def _refiner(artefact: Artefact, on: MeasuredOn, name: str) -> Figures:
    """Of another model's poses, before and after; of a scorer likewise."""
    labels = read_labels(labelled_set(on.data, name, "val"))
    before = keypoint_statistics(labels, _people(on.poses_of, labels))
    after = keypoint_statistics(labels, _people(f"{on.poses_of}+{artefact.folder}", labels))
    whose = "+".join(Path(model).name for model in split_models(on.poses_of))
    done = "rescored" if artefact.manifest.stage == "scorer" else "refined"
    return {f"AP of {whose}": before["AP"], f"AP of {whose} {done}": after["AP"]}


def _scorer(artefact: Artefact, on: MeasuredOn) -> Figures:
    """AP, and rank correlation with the true OKS, before and after."""
    if on.poses is None:
        raise ConfigError(
            f"model {artefact.manifest.name} scores poses; the recipe needs `validation` poses, or "
            "sets in `measured`"
        )
    found = read_scored_poses(on.data / on.poses.poses, on.data / on.poses.annotations)
    with closing(_opener(artefact)(NO_PICTURE)) as engine:
        inputs = {"poses": found.poses.astype(np.float32), "scores": found.scores}
        rescored = np.asarray(engine.infer(inputs)["rescored"], np.float32)
    figures = {}
    for words, scores in (("given", found.scores), ("rescored", rescored)):
        figures[f"{words} AP"] = average_precision(found.labels, found.people(scores))
        figures[f"{words} rank correlation"] = rank_correlation(scores, found.oks)
    return figures


def _people(models: str, labels: Labels) -> Mapping[int, People]:
    names, boxes = parse_system(models, None)
    with open_system(SystemChoice(names, boxes, engine=EXACT), labels) as system:
        if system.people is None:
            raise ConfigError(f"model {models} finds boxes; expected one that finds poses")
        return find_people_of(system.people, labels, SystemClock()).people


def _opener(artefact: Artefact) -> EngineFactory:
    return lambda canvas: open_engine(artefact, canvas=canvas, precision=Precision.FP32)


_OF_SETS: Mapping[StageName, Callable[[Artefact, MeasuredOn, str], Figures]] = MappingProxyType(
    {
        "one_pass": _one_pass,
        "detector": _detector,
        "top_down": _top_down,
        "refiner": _refiner,
        "scorer": _refiner,
    }
)
