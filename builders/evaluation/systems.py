"""Opens what is to be evaluated: a model, or a cascade of models."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.evaluation.boxes import TRUTH, BoxesOf, boxes_of_file, boxes_of_truth
from builders.evaluation.coco_eval import PredictShown
from builders.evaluation.flip_test import with_flip_test
from builders.evaluation.labels import Labels
from builders.evaluation.people import Boxes, Rgb, predict_with, shown_frame
from builders.evaluation.top_down import CropModel, predict_in_boxes, predict_refined
from engines.artefact import Artefact
from engines.canvas_stage import Canvas
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.models import CASCADES, CascadeModels, split_models
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
CASCADE_MIN_SCORE = 0.1
"""Of candidates before a top-down model, each of which costs a crop: those of `person_detector`
below change AP by .003 on `coco_kp/val`; half of its pictures have 2 above and 19 below."""

SYSTEMS = (*CASCADES, ("detector",))
"""Stages that go together; boxes from the labels or a file stand for the detector."""


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
    """Names or folders, in the order of the cascade."""
    boxes: str | None = None
    """`truth`, a file of COCO results, or a detector: in front of the cascade."""
    flip: bool = False
    engine: EngineChoice = EngineChoice()
    weak: bool = True
    """Also people below the models' own thresholds, as average precision wants it."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenSystem:
    """Something that can be shown pictures; exactly one of `people` and `boxes` is there."""

    name: str
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
    """Names of a cascade `a+b`, and where boxes come from if it begins with `truth`.

    Raises:
        ConfigError: if a name is missing, or boxes are named twice.
    """
    names = split_models(models)
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
    given = given_boxes(choice.boxes, labels)
    detectors = () if given or choice.boxes is None else (choice.boxes,)
    artefacts = [find_model(name) for name in (*detectors, *choice.models)]
    _require_cascade(artefacts, choice, labels)
    with ExitStack() as close_last:
        yield _Opener(choice, labels, close_last).open(artefacts, given)


def given_boxes(boxes: str | None, labels: Labels) -> BoxesOf | None:
    """The labelled boxes or those of a file; None if `boxes` names a model or nothing.

    Raises:
        ConfigError: if the file cannot be read; names the record that is wrong.
    """
    if boxes == TRUTH:
        return boxes_of_truth(labels)
    if boxes is not None and Path(boxes).suffix == ".json":
        return boxes_of_file(Path(boxes), labels)
    return None


def boxes_of_detector(detector: Detector) -> BoxesOf:
    """A detector of ours as a source of boxes."""

    def boxes_of(_: int, rgb: Rgb) -> Boxes:
        [found] = detector.detect([shown_frame(picture_from_rgb(rgb))])
        corners = found.boxes_px + np.float32(0.5)  # COCO counts from the corner of the picture
        sides = corners[:, 2:] - corners[:, :2]
        return np.concatenate([corners[:, :2], sides], -1), found.scores

    return boxes_of


def with_weak_people(artefact: Artefact, min_score: float = AP_MIN_SCORE) -> Artefact:
    """The model with the low threshold of average precision."""
    thresholds = artefact.manifest.thresholds.model_copy(update={"min_score": min_score})
    manifest = artefact.manifest.model_copy(update={"thresholds": thresholds})
    return Artefact(artefact.folder, manifest)


def weak_models(artefacts: Sequence[Artefact]) -> tuple[Artefact, ...]:
    """Those of a cascade with the low thresholds of average precision."""
    first, *others = artefacts
    # Whom the first model lets through is a person, however unsure the pose.
    in_crops = any(artefact.manifest.stage == "top_down" for artefact in others)
    least = CASCADE_MIN_SCORE if in_crops else AP_MIN_SCORE
    return (with_weak_people(first, least), *(with_weak_people(m, 0.0) for m in others))


class _Opener:
    """Opens the stages of one system and remembers their engines."""

    def __init__(self, choice: SystemChoice, labels: Labels, close_last: ExitStack) -> None:
        self._choice = choice
        self._labels = labels
        self._close_last = close_last
        self._specs: list[Callable[[], tuple[EngineSpec, ...]]] = []

    def open(self, artefacts: list[Artefact], given: BoxesOf | None) -> OpenSystem:
        """Takes the artefacts in the order of the cascade."""
        rest = list(artefacts)
        boxes, people = given, None
        if given is None and len(rest) > 1 and not self._choice.flip:
            people, rest = self._cascade(rest), []
        elif rest[0].manifest.stage == "detector":
            boxes = self._detector(rest.pop(0))
        elif rest[0].manifest.stage == "one_pass":
            people = self._one_pass(rest.pop(0))
        if boxes is not None and rest:
            people = self._top_down(boxes, rest)
        elif people is not None and rest:
            people = predict_refined(people, self._crop_model(rest[0]))
        return OpenSystem(
            name=",".join(artefact.manifest.name for artefact in artefacts),
            people=people,
            boxes=boxes if people is None else None,
            specs=lambda: tuple(spec for specs in self._specs for spec in specs()),
        )

    def _cascade(self, artefacts: list[Artefact]) -> PredictShown:
        """As `posestream run` does it."""
        chosen = weak_models(artefacts) if self._choice.weak else tuple(artefacts)
        models = CascadeModels(chosen)
        estimator = CascadeEstimator(models, self._choice.engine.opener, clock=SystemClock())
        self._close_last.callback(estimator.close)
        self._prepare(estimator.prepare)
        self._specs.append(lambda: estimator.engine_specs)
        predict = predict_with(estimator)
        return lambda _, rgb: predict(rgb)

    def _one_pass(self, artefact: Artefact) -> PredictShown:
        opener = self._choice.engine.opener(artefact)
        estimator = OnePassEstimator(self._alone(artefact), opener, clock=SystemClock())
        self._close_last.callback(estimator.close)
        self._prepare(estimator.prepare)
        self._specs.append(lambda: estimator.engine_specs)
        predict = predict_with(estimator)
        if self._choice.flip:
            predict = with_flip_test(predict, self._labels.skeleton)
        return lambda _, rgb: predict(rgb)

    def _detector(self, artefact: Artefact) -> BoxesOf:
        opener = self._choice.engine.opener(artefact)
        detector = Detector(self._alone(artefact), opener, clock=SystemClock())
        self._close_last.callback(detector.close)
        self._prepare(detector.prepare)
        self._specs.append(lambda: detector.engine_specs)
        return boxes_of_detector(detector)

    def _alone(self, artefact: Artefact) -> Artefact:
        return with_weak_people(artefact) if self._choice.weak else artefact

    def _top_down(self, boxes: BoxesOf, artefacts: list[Artefact]) -> PredictShown:
        model, *refiners = [self._crop_model(artefact) for artefact in artefacts]
        refiner = refiners[0] if refiners else None
        return predict_in_boxes(boxes, model, refiner, flip=self._choice.flip)

    def _crop_model(self, artefact: Artefact) -> CropModel:
        engine = self._choice.engine.opener(artefact)(artefact.manifest.canvases[0])
        self._close_last.callback(engine.close)
        self._specs.append(lambda: (engine.spec,))
        return CropModel(artefact.manifest, engine)

    def _prepare(self, prepare: Callable[[int, int], object]) -> None:
        """Opens engines before the first picture: opening is no prediction."""
        for width, height in {(p.get("width"), p.get("height")) for p in self._labels.pictures}:
            if isinstance(width, int) and isinstance(height, int):
                prepare(width, height)


def _require_cascade(artefacts: list[Artefact], choice: SystemChoice, labels: Labels) -> None:
    stages = tuple(artefact.manifest.stage for artefact in artefacts)
    given = choice.boxes == TRUTH or str(choice.boxes).endswith(".json")
    if (("detector", *stages) if given else stages) not in SYSTEMS or (given and not stages):
        raise ConfigError(_misfit(choice, artefacts))
    if stages[-1:] == ("scorer",) and (given or choice.flip):
        raise ConfigError(
            f"cascade {'+'.join(choice.models)}: a scorer is evaluated as it runs, behind models "
            "that find people; leave out --flip and --boxes"
        )
    if choice.flip and stages[:2] == ("one_pass", "top_down"):
        raise ConfigError(
            f"cascade {'+'.join(choice.models)}: there is no flip test of boxes around the poses "
            "of a one-pass model; leave out --flip"
        )
    if choice.flip and stages == ("detector",):
        raise ConfigError(
            f"model {artefacts[0].manifest.name} is a detector; the flip test is for poses"
        )
    for artefact in artefacts:
        _require_skeleton(artefact, labels)


def _require_skeleton(artefact: Artefact, labels: Labels) -> None:
    ours = SKELETONS[artefact.manifest.skeleton]
    if ours is not labels.skeleton and artefact.manifest.stage != "detector":
        raise ConfigError(
            f"model {artefact.manifest.name} gives {len(ours.joints)} joints ({ours.name}), labels "
            f"{labels.source.annotations} have {len(labels.skeleton.joints)} "
            f"({labels.skeleton.name}); take labels of the same skeleton"
        )


def _misfit(choice: SystemChoice, artefacts: list[Artefact]) -> str:
    models = ", ".join(f"{a.manifest.name} ({a.manifest.stage})" for a in artefacts)
    boxes = f" with boxes from {choice.boxes}" if choice.boxes else ""
    cascades = "; ".join(" then ".join(stages) for stages in SYSTEMS)
    return (
        f"cannot evaluate {models}{boxes}: expected {cascades}; `{TRUTH}` or --boxes may stand "
        "for the detector in front of a top-down model"
    )
