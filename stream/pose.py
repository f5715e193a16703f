"""Poses as they travel: one person, all people of a frame, people with track ids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person in one frame."""

    keypoints_px: NDArray[np.float32]
    """(J, 2), x right, y down, pixels of the source frame, pixel centres at integers; finite."""
    confidence: NDArray[np.float32]
    """(J,) in [0, 1]; 0 means not seen, the keypoint is then only a guess."""
    score: float
    """Of the whole person, in [0, 1]."""

    def __post_init__(self) -> None:
        """Checks shapes, ranges and finiteness, and makes the arrays read-only."""
        if self.keypoints_px.ndim != 2 or self.keypoints_px.shape[1] != 2:
            raise PoseError(f"keypoints_px: expected (J, 2), got {self.keypoints_px.shape}")
        if self.confidence.shape != self.keypoints_px.shape[:1]:
            raise PoseError(
                f"confidence: expected {self.keypoints_px.shape[:1]}, got {self.confidence.shape}"
            )
        if not (np.isfinite(self.keypoints_px).all() and np.isfinite(self.confidence).all()):
            raise PoseError("keypoints and confidence must be finite; a model gave NaN or infinity")
        if not 0.0 <= self.score <= 1.0:
            raise PoseError(f"score must lie in [0, 1], got {self.score}")
        self.keypoints_px.flags.writeable = False
        self.confidence.flags.writeable = False

    def box_px(self, min_confidence: float = 0.2) -> tuple[float, float, float, float]:
        """(x, y, w, h) around keypoints seen with `min_confidence`; around all if under 3."""
        seen = self.keypoints_px[self.confidence >= min_confidence]
        points = seen if len(seen) >= 3 else self.keypoints_px
        left, top = points.min(axis=0)
        right, bottom = points.max(axis=0)
        return float(left), float(top), float(right - left), float(bottom - top)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPose:
    """A pose with the id of its track; ids are counted from 1 within a stream's epoch."""

    track: int
    pose: Pose


@dataclass(frozen=True, slots=True, eq=False)
class FramePoses:
    """All people found in one frame, best score first."""

    stream: str
    epoch: int
    index: int
    poses: tuple[Pose, ...]
