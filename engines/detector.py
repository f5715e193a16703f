"""Frames to boxes of people: the first stage of cascades."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.canvas_stage import (
    CanvasBatch,
    CanvasStage,
    EngineFactory,
    Observer,
    observe_nothing,
)
from engines.decoding.box_suppression import greedy_nms
from engines.engine import EngineSpec
from stream.clock import Clock
from stream.frame import Frame
from stream.geometry import Letterbox


@dataclass(frozen=True, slots=True, eq=False)
class PersonBoxes:
    """The people of one frame."""

    boxes_px: NDArray[np.float32]
    """(N, 4) left, top, right, bottom edges in pixels of the source frame, best first; pixel
    centres lie at integers, so that the edges of the frame are -0.5 and W - 0.5."""
    scores: NDArray[np.float32]
    """(N,) in [0, 1]."""


class Detector:
    """Finds people with a detector model.

    Args:
        artefact: the model; picks canvases and thresholds.
        make_engine: opens the model's engine for a canvas.
        clock: measures the stages.
        batch_size: frames in one call of an engine; more are split.
        observe: told the seconds of each stage, once a batch.

    Raises:
        ConfigError: if `batch_size` is below 1, or the model is no detector.
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
            artefact, "detector", make_engine, clock=clock, batch_size=batch_size, observe=observe
        )
        self._thresholds = artefact.manifest.thresholds

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._stage.manifest.name

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

    def detect(self, frames: Sequence[Frame]) -> list[PersonBoxes]:
        """One entry a frame, in their order; frames of several sizes may be mixed.

        Raises:
            EngineError: also if the model gives NaN or infinity, or after `close`.
        """
        found: dict[int, PersonBoxes] = {}
        for batch in self._stage.run(frames):
            found.update(zip(batch.rows, self._people(batch), strict=True))
        return [found[row] for row in range(len(frames))]

    def close(self) -> None:
        """Frees the engines; a second call does nothing, `detect` afterwards raises EngineError."""
        self._stage.close()

    def _people(self, batch: CanvasBatch) -> list[PersonBoxes]:
        boxes = batch.finite("boxes", self.model)
        scores = batch.finite("scores", self.model).clip(0, 1)
        rows = zip(boxes, scores, batch.places, strict=True)
        return [self._of_frame(*row) for row in rows]

    def _of_frame(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], place: Letterbox
    ) -> PersonBoxes:
        enough = np.flatnonzero(scores >= np.float32(self._thresholds.min_score))
        kept = enough[greedy_nms(boxes[enough], scores[enough], self._thresholds.nms_iou or 1.0)]
        corners = place.to_source(boxes[kept].reshape(-1, 2, 2))
        # The canvas may be wider than the frame on it: nobody is seen on the grey.
        edge = np.array([place.source_width, place.source_height], np.float32) - np.float32(0.5)
        return PersonBoxes(corners.clip(-0.5, edge).reshape(-1, 4), scores[kept])
