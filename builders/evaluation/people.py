"""The form in which every evaluated system gives its people."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.errors import SourceError
from stream.estimator import Estimator
from stream.frame import Frame
from stream.picture import Picture, picture_from_rgb
from stream.pose import FramePoses, Pose

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

People = tuple[Floats, Floats]
"""Keypoints (N, J, 3) = x, y, confidence in pixels of the picture, and scores (N,)."""

Predict = Callable[[Rgb], People]
"""An (H, W, 3) RGB picture in, its people out."""


def read_rgb(path: Path) -> Rgb:
    """(H, W, 3) RGB picture of a file.

    Raises:
        SourceError: if OpenCV cannot read it.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise SourceError(f"picture {path}: missing, or no picture that OpenCV can read")
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def people_of(poses: tuple[Pose, ...]) -> People:
    """Poses as arrays."""
    if not poses:
        return np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32)
    keypoints = [np.column_stack([pose.keypoints_px, pose.confidence]) for pose in poses]
    return np.stack(keypoints).astype(np.float32), np.array([p.score for p in poses], np.float32)


def estimate_picture(estimator: Estimator, picture: Picture) -> FramePoses:
    """All people of a single picture."""
    frame = Frame("evaluation", 0, 0, pts_seconds=0.0, capture_seconds=0.0, picture=picture)
    return estimator.estimate([frame])[0]


def predict_with(estimator: Estimator) -> Predict:
    """An estimator behind the form that evaluation takes."""
    return lambda rgb: people_of(estimate_picture(estimator, picture_from_rgb(rgb)).poses)
