"""Frames to poses: the only class of this package that the pipeline sees."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.decoding.suppression import suppress_doubles
from engines.engine import Engine, EngineSpec, Tensors
from stream.clock import Clock
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.geometry import Letterbox, best_canvas, letterbox
from stream.picture import to_canvas
from stream.pose import FramePoses, Pose
from stream.skeleton import SKELETONS

Canvas = tuple[int, int]
EngineFactory = Callable[[Canvas], Engine]
"""Opens the artefact's engine for a canvas (width, height)."""
Stage = Literal["pre", "infer", "post"]
Observer = Callable[[Stage, float], None]
"""Told the seconds that a batch spent in a stage."""


def _observe_nothing(_stage: Stage, _seconds: float) -> None:
    """For callers who do not measure."""


class OnePassEstimator:
    """Implements `stream.estimator.Estimator` with a one-pass model.

    Engines are opened when the first frame of their canvas comes, and live until `close`: there
    are never more than the manifest has canvases (some 70 MB each), so nothing needs to be evicted.

    Args:
        artefact: the model; picks canvases, thresholds and the skeleton.
        make_engine: opens the model's engine for a canvas.
        clock: measures the stages.
        batch_size: frames in one call of an engine; more are split.
        observe: told the seconds of each stage, once a batch.

    Raises:
        ConfigError: if `batch_size` is below 1.
    """

    def __init__(
        self,
        artefact: Artefact,
        make_engine: EngineFactory,
        *,
        clock: Clock,
        batch_size: int = 1,
        observe: Observer = _observe_nothing,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size: expected 1 or more, got {batch_size}")
        self._manifest = artefact.manifest
        self._make_engine = make_engine
        self._clock = clock
        self._batch_size = batch_size
        self._observe = observe
        self._engines: dict[Canvas, Engine] = {}
        self._canvases: dict[Canvas, NDArray[np.uint8]] = {}
        self._closed = False

    @property
    def model(self) -> str:
        """See `Estimator.model`."""
        return self._manifest.name

    @property
    def batch_size(self) -> int:
        """See `Estimator.batch_size`."""
        return self._batch_size

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engines opened so far."""
        return tuple(engine.spec for engine in self._engines.values())

    def prepare(self, width: int, height: int) -> EngineSpec:
        """Opens the engine for frames of that size (pixels) now, so that no frame waits for it.

        Raises:
            EngineError: if it cannot be opened.
        """
        return self._engine(best_canvas(width, height, self._manifest.canvases)).spec

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        """See `Estimator.estimate`; frames of several sizes may be mixed.

        Raises:
            EngineError: also if the model gives NaN or infinity, or after `close`.
        """
        if self._closed:
            raise EngineError(f"estimator of model {self.model} was closed; make a new one")
        found: dict[int, FramePoses] = {}
        for canvas, indices in self._by_canvas(frames).items():
            for start in range(0, len(indices), self._batch_size):
                some = indices[start : start + self._batch_size]
                poses = self._estimate_batch(canvas, [frames[index] for index in some])
                found.update(zip(some, poses, strict=True))
        return [found[index] for index in range(len(frames))]

    def close(self) -> None:
        """See `Estimator.close`."""
        self._closed = True
        while self._engines:
            self._engines.popitem()[1].close()
        self._canvases.clear()

    def _by_canvas(self, frames: Sequence[Frame]) -> dict[Canvas, list[int]]:
        groups: dict[Canvas, list[int]] = {}
        for index, frame in enumerate(frames):
            size = frame.picture.width, frame.picture.height
            groups.setdefault(best_canvas(*size, self._manifest.canvases), []).append(index)
        return groups

    def _estimate_batch(self, canvas: Canvas, frames: list[Frame]) -> list[FramePoses]:
        engine = self._engine(canvas)
        start = self._clock.monotonic()
        places = [letterbox(f.picture.width, f.picture.height, *canvas) for f in frames]
        pixels = self._render(canvas, frames, places)
        rendered = self._clock.monotonic()
        outputs = engine.infer({"canvas": pixels})
        inferred = self._clock.monotonic()
        poses = self._poses(frames, places, outputs)
        self._observe("pre", rendered - start)
        self._observe("infer", inferred - rendered)
        self._observe("post", self._clock.monotonic() - inferred)
        return poses

    def _engine(self, canvas: Canvas) -> Engine:
        if canvas not in self._engines:
            self._engines[canvas] = self._make_engine(canvas)
            self._canvases[canvas] = np.empty((self._batch_size, canvas[1], canvas[0], 3), np.uint8)
        return self._engines[canvas]

    def _render(
        self, canvas: Canvas, frames: list[Frame], places: list[Letterbox]
    ) -> NDArray[np.uint8]:
        pixels = self._canvases[canvas][: len(frames)]
        for row, frame, place in zip(pixels, frames, places, strict=True):
            row[:] = to_canvas(frame.picture, place)
        return pixels

    def _poses(
        self, frames: list[Frame], places: list[Letterbox], outputs: Tensors
    ) -> list[FramePoses]:
        keypoints = self._finite(frames, outputs, "keypoints")
        scores = self._finite(frames, outputs, "scores").clip(0, 1)
        keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
        sigmas = SKELETONS[self._manifest.skeleton].sigmas
        people = suppress_doubles(keypoints, scores, self._manifest.thresholds, sigmas)
        return [
            FramePoses(
                frame.stream,
                frame.epoch,
                frame.index,
                _source_poses(keypoints[row, people[row]], scores[row, people[row]], places[row]),
            )
            for row, frame in enumerate(frames)
        ]

    def _finite(self, frames: list[Frame], outputs: Tensors, name: str) -> NDArray[np.float32]:
        values: NDArray[np.float32] = outputs[name].astype(np.float32)
        bad = [
            f"{frame.stream} epoch {frame.epoch} frame {frame.index}"
            for frame, value in zip(frames, values, strict=True)
            if not np.isfinite(value).all()
        ]
        if bad:
            raise EngineError(
                f"model {self.model} gave NaN or infinity in {name} for {', '.join(bad)}; "
                "try another precision or engine"
            )
        return values


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
