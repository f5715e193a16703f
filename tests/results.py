"""Results made up for tests of what leaves the pipeline."""

import numpy as np
from numpy.typing import NDArray

from stream.frame import Frame, FrameResult, Outcome
from stream.picture import Picture, picture_from_rgb
from stream.pose import Pose, TrackedPose

CAPTURE_SECONDS = 1_700_000_000.0


def grey(width: int, height: int, value: int = 110) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def standing_person(
    track: int = 1, centre: tuple[float, float] = (32.0, 24.0), height: float = 40.0
) -> TrackedPose:
    """Somebody upright who faces the camera: their left is on the right of the picture."""
    left = {
        1: (0.05, 0.06), 3: (0.09, 0.08), 5: (0.16, 0.22), 7: (0.22, 0.38), 9: (0.22, 0.52),
        11: (0.1, 0.54), 13: (0.1, 0.76), 15: (0.1, 1.0),
    }  # fmt: skip
    offsets = {0: (0.0, 0.1)} | left | {joint + 1: (-x, y) for joint, (x, y) in left.items()}
    table = np.array([offsets[joint] for joint in range(17)])
    points = table * height + (centre[0], centre[1] - height / 2)
    confidence = np.linspace(0.3, 0.95, 17)
    return TrackedPose(
        track, Pose(points.astype(np.float32), confidence.astype(np.float32), score=0.87)
    )


def result_of(
    index: int = 0,
    *poses: TrackedPose,
    stream: str = "clip",
    epoch: int = 0,
    outcome: Outcome = Outcome.INFERRED,
    picture: Picture | None = None,
    pts_seconds: float | None = None,
    capture_seconds: float | None = None,
) -> FrameResult:
    """The result of one small frame, 25 of which pass in a second."""
    frame = Frame(
        stream,
        epoch,
        index,
        index / 25 if pts_seconds is None else pts_seconds,
        CAPTURE_SECONDS + index / 25 if capture_seconds is None else capture_seconds,
        picture or picture_from_rgb(grey(64, 48)),
    )
    return FrameResult(frame, outcome, "bottom_up", poses)
