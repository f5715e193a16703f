"""The first model of a cascade: who is where in whole frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.cascade.pose_boxes import person_boxes
from engines.cascade.settings import CascadeSettings, CascadeWatch
from engines.detector import Detector
from engines.engine import EngineSpec
from engines.estimator import OnePassEstimator
from stream.clock import Clock
from stream.frame import Frame
from stream.pose import Pose

Floats = NDArray[np.float32]


def _nothing() -> Floats:
    return np.zeros((0, 17, 3), np.float32)


def _no_scores() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SearchMemory:
    """What was found out about people when the frame was searched; N of them."""

    margins: Floats
    """(N, 4) what their boxes added to their joints."""
    scores: Floats
    """(N,) of the whole person."""

    def chosen(self, rows: NDArray[np.intp]) -> "SearchMemory":
        """Some of them, in that order."""
        return SearchMemory(self.margins[rows], self.scores[rows])


@dataclass(frozen=True, slots=True, eq=False)
class PeopleSoFar:
    """The people of a frame, at any point of a cascade; N of them."""

    boxes_px: Floats
    """(N, 4) left, top, right, bottom edges in source pixels."""
    box_scores: Floats
    """(N,) in [0, 1], of who found them."""
    poses: Floats = field(default_factory=_nothing)
    """(N, J, 3) x, y in source pixels, confidence; of length 0 before there are any."""
    scores: Floats = field(default_factory=_no_scores)
    """(N,) in [0, 1], of the whole person; of length 0 before there are poses."""

    memory: "SearchMemory | None" = None
    """Of those who were carried to this frame; None if it was searched."""

    def chosen(self, rows: NDArray[np.intp]) -> "PeopleSoFar":
        """Some of them, in that order; they have poses."""
        return PeopleSoFar(
            self.boxes_px[rows],
            self.box_scores[rows],
            self.poses[rows],
            self.scores[rows],
            None if self.memory is None else self.memory.chosen(rows),
        )


class FirstStage(Protocol):
    """Searches whole frames."""

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engines opened so far."""
        ...

    def prepare(self, width: int, height: int) -> EngineSpec:
        """Opens the engine for frames of that size (pixels) now."""
        ...

    def find(self, frames: Sequence[Frame]) -> list[PeopleSoFar]:
        """One entry a frame, in their order.

        Raises:
            EngineError: if the engine fails, or after `close`.
        """
        ...

    def close(self) -> None:
        """Frees the engines; a second call does nothing."""
        ...


def open_first_stage(
    artefact: Artefact,
    make_engine: EngineFactory,
    clock: Clock,
    settings: CascadeSettings,
    watch: CascadeWatch,
) -> FirstStage:
    """The stage of a detector or a one-pass model.

    Raises:
        ConfigError: if the model is neither.
    """
    if artefact.manifest.stage == "detector":
        return _BoxStage(
            Detector(
                artefact,
                make_engine,
                clock=clock,
                batch_size=settings.batch_size,
                observe=watch.observe,
            )
        )
    return _PoseStage(
        OnePassEstimator(
            artefact,
            make_engine,
            clock=clock,
            batch_size=settings.batch_size,
            observe=watch.observe,
        )
    )


class _BoxStage:
    """A detector."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.prepare, self.close = detector.prepare, detector.close

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        return self._detector.engine_specs

    def find(self, frames: Sequence[Frame]) -> list[PeopleSoFar]:
        found = self._detector.detect(frames)
        return [PeopleSoFar(people.boxes_px, people.scores) for people in found]


class _PoseStage:
    """A one-pass model: its boxes are around its poses."""

    def __init__(self, estimator: OnePassEstimator) -> None:
        self._estimator = estimator
        self.prepare, self.close = estimator.prepare, estimator.close

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        return self._estimator.engine_specs

    def find(self, frames: Sequence[Frame]) -> list[PeopleSoFar]:
        found = self._estimator.estimate(frames)
        return [
            _with_boxes(frame, people.poses) for frame, people in zip(frames, found, strict=True)
        ]


def _with_boxes(frame: Frame, people: Sequence[Pose]) -> PeopleSoFar:
    poses = pose_table(people)
    boxes = person_boxes(poses, frame.picture.width, frame.picture.height)
    scores = np.array([pose.score for pose in people], np.float32)
    return PeopleSoFar(boxes, scores, poses, scores)


def pose_table(people: Sequence[Pose]) -> Floats:
    """(N, J, 3) x, y and confidence; (0, 17, 3) of nobody."""
    if not people:
        return _nothing()
    rows = [np.column_stack([pose.keypoints_px, pose.confidence]) for pose in people]
    return np.stack(rows).astype(np.float32)
