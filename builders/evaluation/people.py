"""The form in which every evaluated system gives its people."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.errors import SourceError
from stream.estimator import Estimator
from stream.frame import Frame
from stream.picture import Picture, picture_from_rgb, to_rgb
from stream.pose import Pose

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

People = tuple[Floats, Floats]
"""Keypoints (N, J, 3) = x, y, confidence in pixels of the picture, and scores (N,)."""

Boxes = tuple[Floats, Floats]
"""Boxes (N, 4) = x, y, w, h in pixels of the picture, and scores (N,)."""

Predict = Callable[[Rgb], People]
"""An (H, W, 3) RGB picture in, its people out."""

PredictPicture = Callable[[Picture], People]
"""A decoded picture in, its people out: spares video frames the way over RGB and back."""


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


def predict_with(estimator: Estimator) -> Predict:
    """An estimator behind the form that evaluation takes."""
    of_picture = predict_pictures_with(estimator)
    return lambda rgb: of_picture(picture_from_rgb(rgb))


def predict_pictures_with(estimator: Estimator) -> PredictPicture:
    """An estimator behind the form that evaluation of clips takes."""

    def predict(picture: Picture) -> People:
        return people_of(estimator.estimate([shown_frame(picture)])[0].poses)

    return predict


def shown_frame(picture: Picture) -> Frame:
    """A picture that belongs to no stream, as a frame."""
    return Frame("evaluation", 0, 0, pts_seconds=0.0, capture_seconds=0.0, picture=picture)


def on_pictures(predict: Predict) -> PredictPicture:
    """What sees RGB, for decoded pictures."""
    return lambda picture: predict(to_rgb(picture))
