"""People made of numbers: stick figures that walk, for the tests of tracking."""

import numpy as np
from numpy.typing import NDArray

from stream.pose import FramePoses, Pose

Floats = NDArray[np.float32]

STANDING = np.array(
    [[0, -58], [3, -61], [-3, -61], [7, -59], [-7, -59], [14, -42], [-14, -42], [18, -18],
     [-18, -18], [18, 4], [-18, 4], [9, 2], [-9, 2], [10, 32], [-10, 32], [10, 60], [-10, 60]],
    np.float32,
)  # fmt: skip
"""(17, 2) pixels around the middle of a person some 120 px tall; its scale is about 48 px."""


def person(x: float, y: float = 200.0, score: float = 0.9, confidence: float = 0.8) -> Pose:
    """A standing person with its middle at (x, y)."""
    middle = np.array([x, y], np.float32)
    return Pose(STANDING + middle, np.full(17, confidence, np.float32), score)


def frame(index: int, *poses: Pose, stream: str = "camera", epoch: int = 0) -> FramePoses:
    """A frame of a stream with those people."""
    return FramePoses(stream, epoch, index, poses)


def middle_x(pose: Pose) -> float:
    """Where a person stands."""
    return float(pose.keypoints_px[:, 0].mean())
