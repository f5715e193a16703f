"""Frames to poses: the only class of this package that the pipeline sees."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.canvas_stage import (
    CanvasBatch,
    CanvasStage,
    EngineFactory,
    Observer,
    PendingCanvases,
    observe_nothing,
)
from engines.decoding.suppression import select_people
from engines.engine import EngineSpec
from stream.clock import Clock
from stream.frame import Frame
from stream.geometry import Letterbox
from stream.pose import FramePoses, Pose
from stream.skeleton import SKELETONS


class OnePassEstimator:
    """Implements `stream.estimator.OverlappingEstimator` with a one-pass model.

    Args:
        artefact: the model; picks canvases, thresholds and the skeleton.
        make_engine: opens the model's engine for a canvas.
        clock: measures the stages.
        batch_size: frames in one call of an engine; more are split.
        observe: told the seconds of each stage, once a batch.

    Raises:
        ConfigError: if `batch_size` is below 1, or the model is none that gives poses in one pass.
    """

    def __init__(
        self,
        artefact: Artefact,
        make_engine: EngineFactory,
        *,
        clock: Clock,
        batch_size: int = 1,
        observe: Observer = observe_nothing,
    ) -> None:
        self._stage = CanvasStage(
            artefact, "one_pass", make_engine, clock=clock, batch_size=batch_size, observe=observe
        )
        self._manifest = artefact.manifest

    @property
    def model(self) -> str:
        """See `Estimator.model`."""
        return self._manifest.name

    @property
    def batch_size(self) -> int:
        """See `Estimator.batch_size`."""
        return self._stage.batch_size

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engines opened so far."""
        return self._stage.engine_specs

    def prepare(self, width: int, height: int) -> EngineSpec:
        """Opens the engine for frames of that size (pixels) now, so that no frame waits for it.

        Raises:
            EngineError: if it cannot be opened.
        """
        return self._stage.prepare(width, height)

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        """See `Estimator.estimate`; frames of several sizes may be mixed.

        Raises:
            EngineError: also if the model gives NaN or infinity, or after `close`.
        """
        return self._in_order(self._stage.run(frames))

    @property
    def in_flight(self) -> int:
        """See `OverlappingEstimator.in_flight`."""
        return self._stage.in_flight

    def submit(self, frames: Sequence[Frame]) -> "_PosesUnderWay":
        """See `OverlappingEstimator.submit`."""
        return _PosesUnderWay(self, self._stage.submit(frames))

    def close(self) -> None:
        """See `Estimator.close`."""
        self._stage.close()

    def finish(self, pending: Sequence[PendingCanvases]) -> list[FramePoses]:
        """Poses of the frames that were submitted, in their order.

        Raises:
            EngineError: as `estimate`.
        """
        return self._in_order(self._stage.finish(pending))

    def _in_order(self, batches: Iterable[CanvasBatch]) -> list[FramePoses]:
        found: dict[int, FramePoses] = {}
        for batch in batches:
            found.update(zip(batch.rows, self._poses(batch), strict=True))
        return [found[row] for row in range(len(found))]

    def _poses(self, batch: CanvasBatch) -> list[FramePoses]:
        keypoints = batch.finite("keypoints", self.model)
        scores = batch.finite("scores", self.model).clip(0, 1)
        keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
        sigmas = SKELETONS[self._manifest.skeleton].sigmas
        people = select_people(keypoints, scores, self._manifest.thresholds, sigmas)
        return [
            FramePoses(
                frame.stream,
                frame.epoch,
                frame.index,
                _source_poses(points[chosen], final, place),
            )
            for frame, place, points, (chosen, final) in zip(
                batch.frames, batch.places, keypoints, people, strict=True
            )
        ]


class _PosesUnderWay:
    """Implements `stream.estimator.PendingPoses`."""

    def __init__(self, estimator: OnePassEstimator, pending: Sequence[PendingCanvases]) -> None:
        self._estimator, self._pending = estimator, pending

    def result(self) -> list[FramePoses]:
        """See `PendingPoses.result`."""
        return self._estimator.finish(self._pending)


def _source_poses(
    keypoints: NDArray[np.float32], scores: NDArray[np.float32], place: Letterbox
) -> tuple[Pose, ...]:
    """(N, J, 3) canvas pixels and (N,) scores to poses in pixels of the source frame.

    Keypoints outside the frame stay where they are: a hand may be just beyond the border.
    """
    points = place.to_source(keypoints[..., :2])
    return tuple(
        Pose(points_px.copy(), confidence.copy(), float(score))
        for points_px, confidence, score in zip(points, keypoints[..., 2], scores, strict=True)
    )
