"""Cuts people out of a picture, as top-down networks are shown them.

The pixels are those of an affine, bilinear, of the whole picture in RGB, black beyond its border:
what such networks are trained on (`lib/dataset/JointsDataset.py` of HRNet's code). Sampling the
three planes instead would be quicker and up to 37 levels off where colours meet, so only the
part of the picture that a crop shows is made RGB, or all of it where the crops are many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.geometry import CropAffine
from stream.picture import Picture, rgb_window, to_rgb

Rgb = NDArray[np.uint8]

REACH_PX = 2
"""So far beyond the outermost sample bilinear interpolation may look."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Columns `left` up to `right` and rows `top` up to `bottom` (exclusive) of a picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def cut_crops(picture: Picture, places: Sequence[CropAffine], crops: Iterable[Rgb]) -> None:
    """Fills crops, one a place, each uint8 (crop height, crop width, 3) RGB, contiguous."""
    cutter = CropCutter(picture, places)
    for number, crop in enumerate(crops):
        cutter.cut(number, crop)


class CropCutter:
    """Cuts crops out of one picture, one after another."""

    def __init__(self, picture: Picture, places: Sequence[CropAffine]) -> None:
        self._source: Picture | Rgb = picture
        self._places = places
        self._windows = [_window(picture, place) for place in places]
        # Crops of a crowd overlap: then one conversion of everything is cheaper, and the same.
        if sum(window.area for window in self._windows) > picture.width * picture.height:
            self._source = to_rgb(picture)

    def cut(self, number: int, crop: Rgb) -> None:
        """Fills a crop, uint8 (crop height, crop width, 3) RGB, contiguous, with that place."""
        _cut(self._source, self._places[number], self._windows[number], crop)


def _cut(source: Picture | Rgb, place: CropAffine, window: _Window, crop: Rgb) -> None:
    if not window.area:
        crop[:] = 0
        return
    matrix, rgb = place.matrix(), source
    if isinstance(rgb, Picture):
        rgb = rgb_window(rgb, window.left, window.top, window.right, window.bottom)
        matrix[:, 2] += matrix[:, :2] @ np.array([window.left, window.top], np.float64)
    size = place.crop_width, place.crop_height
    cv2.warpAffine(rgb, matrix, size, dst=crop, flags=cv2.INTER_LINEAR)


def _window(picture: Picture, place: CropAffine) -> _Window:
    """What of the picture can be seen in the crop."""
    right, bottom = place.crop_width - 1.0, place.crop_height - 1.0
    corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], np.float32)
    points = place.to_source(corners)
    low, high = np.floor(points.min(0)) - REACH_PX, np.ceil(points.max(0)) + REACH_PX + 1
    sides = picture.width, picture.height
    left, top = (int(np.clip(value, 0, side)) for value, side in zip(low, sides, strict=True))
    end_x, end_y = (int(np.clip(value, 0, side)) for value, side in zip(high, sides, strict=True))
    return _Window(left, top, end_x, end_y)
