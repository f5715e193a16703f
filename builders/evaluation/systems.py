"""Opens what is to be evaluated: a model, or a cascade of models."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.evaluation.boxes import TRUTH, BoxesOf, boxes_of_file, boxes_of_truth
from builders.evaluation.coco_eval import PredictShown
from builders.evaluation.flip_test import with_flip_test
from builders.evaluation.labels import Labels
from builders.evaluation.people import Boxes, Rgb, predict_with, shown_frame
from engines.artefact import Artefact
from engines.canvas_stage import Canvas
from engines.detector import Detector
from engines.engine import Engine, EngineSpec, Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName, open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.errors import ConfigError
from stream.picture import picture_from_rgb
from stream.skeleton import SKELETONS

AP_MIN_SCORE = 0.02
"""Average precision wants the weak people too."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine runs the models, and how."""

    engine: EngineName = EngineName.AUTO
    precision: Precision | None = None
    threads: int | None = None

    def opener(self, artefact: Artefact) -> Callable[[Canvas], Engine]:
        """Opens the engine of a model for a canvas."""
        return lambda canvas: open_engine(
            artefact,
            engine=self.engine,
            canvas=canvas,
            threads=self.threads,
            precision=self.precision,
        )


@dataclass(frozen=True, slots=True)
class SystemChoice:
    """What a user wants evaluated."""

    models: tuple[str, ...]
    """Names or folders, in the order of the cascade; the first may be `truth`."""
    boxes: str | None = None
    """`truth`, a file of COCO results, or a detector: instead of the first of a cascade."""
    flip: bool = False
    engine: EngineChoice = EngineChoice()


@dataclass(frozen=True, slots=True, eq=False)
class OpenSystem:
    """Something that can be shown pictures; exactly one of `people` and `boxes` is there."""

    name: str
    min_score: float
    """From which score the model itself calls something a person."""
    people: PredictShown | None
    boxes: BoxesOf | None
    specs: Callable[[], tuple[EngineSpec, ...]]
    """The engines opened so far."""

    def engines(self) -> str:
        """What ran, for people to read."""
        return ", ".join(
            sorted({f"{s.model} on {s.engine} {s.version} {s.precision}" for s in self.specs()})
        )


def parse_system(models: str, boxes: str | None) -> tuple[tuple[str, ...], str | None]:
    """Names of a cascade `a,b`, and where boxes come from if it begins with `truth`.

    Raises:
        ConfigError: if a name is missing, or boxes are named twice.
    """
    names = tuple(name.strip() for name in models.split(","))
    if not all(names):
        raise ConfigError(f"model {models!r}: expected names with one comma between, as in a,b")
    if TRUTH in names[1:] or names == (TRUTH,):
        raise ConfigError(f"cascade {models}: `{TRUTH}` stands first, a top-down model follows it")
    if names[0] != TRUTH:
        return names, boxes
    if boxes not in (None, TRUTH):
        raise ConfigError(f"cascade {models} takes its boxes from the labels; leave out --boxes")
    return names[1:], TRUTH


@contextmanager
def open_system(choice: SystemChoice, labels: Labels) -> Iterator[OpenSystem]:
    """The system, its engines open for all picture sizes that the labels tell.

    Raises:
        ArtefactError: if a model is unknown or not whole.
        ConfigError: if the models do not go together, or do not suit the labels.
        EngineError: if an engine cannot be opened.
    """
    artefacts = [find_model(name) for name in choice.models]
    with ExitStack() as close_last:
        stages = [artefact.manifest.stage for artefact in artefacts]
        if stages == ["detector"] and choice.boxes is None:
            yield _open_detector(artefacts[0], choice, labels, close_last)
        elif stages == ["one_pass"] and choice.boxes is None:
            yield _open_one_pass(artefacts[0], choice, labels, close_last)
        else:
            raise ConfigError(_misfit(choice, artefacts))


def _open_one_pass(
    artefact: Artefact, choice: SystemChoice, labels: Labels, close_last: ExitStack
) -> OpenSystem:
    _require_skeleton(artefact, labels)
    estimator = OnePassEstimator(
        with_weak_people(artefact), choice.engine.opener(artefact), clock=SystemClock()
    )
    close_last.callback(estimator.close)
    _prepare(estimator.prepare, labels)
    predict = predict_with(estimator)
    if choice.flip:
        predict = with_flip_test(predict, labels.skeleton)
    return OpenSystem(
        name=artefact.manifest.name,
        min_score=artefact.manifest.thresholds.min_score,
        people=lambda _, rgb: predict(rgb),
        boxes=None,
        specs=lambda: estimator.engine_specs,
    )


def _open_detector(
    artefact: Artefact, choice: SystemChoice, labels: Labels, close_last: ExitStack
) -> OpenSystem:
    if choice.flip:
        raise ConfigError(
            f"model {artefact.manifest.name} is a detector; the flip test is for poses"
        )
    detector = Detector(
        with_weak_people(artefact), choice.engine.opener(artefact), clock=SystemClock()
    )
    close_last.callback(detector.close)
    _prepare(detector.prepare, labels)
    return OpenSystem(
        name=artefact.manifest.name,
        min_score=artefact.manifest.thresholds.min_score,
        people=None,
        boxes=boxes_of_detector(detector),
        specs=lambda: detector.engine_specs,
    )


def boxes_of_detector(detector: Detector) -> BoxesOf:
    """A detector of ours as a source of boxes."""

    def boxes_of(_: int, rgb: Rgb) -> Boxes:
        [found] = detector.detect([shown_frame(picture_from_rgb(rgb))])
        corners = found.boxes_px + np.float32(0.5)  # COCO counts from the corner of the picture
        sides = corners[:, 2:] - corners[:, :2]
        return np.concatenate([corners[:, :2], sides], -1), found.scores

    return boxes_of


def boxes_from(choice: str, labels: Labels) -> BoxesOf | None:
    """The labelled boxes or those of a file; None if `choice` names a model."""
    if choice == TRUTH:
        return boxes_of_truth(labels)
    if Path(choice).suffix == ".json":
        return boxes_of_file(Path(choice), labels)
    return None


def with_weak_people(artefact: Artefact) -> Artefact:
    """The model with the low threshold of average precision."""
    thresholds = artefact.manifest.thresholds.model_copy(update={"min_score": AP_MIN_SCORE})
    manifest = artefact.manifest.model_copy(update={"thresholds": thresholds})
    return Artefact(artefact.folder, manifest)


def _prepare(prepare: Callable[[int, int], object], labels: Labels) -> None:
    """Opens engines before the first picture: opening is no prediction."""
    for width, height in {(p.get("width"), p.get("height")) for p in labels.pictures}:
        if isinstance(width, int) and isinstance(height, int):
            prepare(width, height)


def _require_skeleton(artefact: Artefact, labels: Labels) -> None:
    ours = SKELETONS[artefact.manifest.skeleton]
    if ours is not labels.skeleton:
        raise ConfigError(
            f"model {artefact.manifest.name} gives {len(ours.joints)} joints ({ours.name}), labels "
            f"{labels.source.annotations} have {len(labels.skeleton.joints)} "
            f"({labels.skeleton.name}); take labels of the same skeleton"
        )


def _misfit(choice: SystemChoice, artefacts: list[Artefact]) -> str:
    models = ", ".join(f"{a.manifest.name} ({a.manifest.stage})" for a in artefacts)
    boxes = f" with boxes from {choice.boxes}" if choice.boxes else ""
    return (
        f"cannot evaluate {models}{boxes}: expected a one-pass model, a detector, or boxes and a "
        "top-down model, as in `truth,MODEL` or `DETECTOR,MODEL`"
    )
