"""Letterbox and crop geometry with their inverses; pure.

Pixel centres lie at integers, so the picture spans -0.5 .. W-0.5. Scaling a W-wide picture to w
wide maps the *edges* onto each other, as `cv2.resize` does: x' + 0.5 = (x + 0.5) * w / W.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a whole source frame lies on a canvas: kept ratio, centred, grey around.

    All sizes in pixels. `inner_*` is the size of the scaled picture, at (`left`, `top`).
    """

    source_width: int
    source_height: int
    canvas_width: int
    canvas_height: int
    inner_width: int
    inner_height: int
    left: int
    top: int

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels per source pixel, (x, y); they differ by rounding only."""
        return self.inner_width / self.source_width, self.inner_height / self.source_height

    def to_canvas(self, points_px: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) source pixels to (..., 2) canvas pixels."""
        scale, offset = self._axes()
        return ((points_px + 0.5) * scale - 0.5 + offset).astype(np.float32)

    def to_source(self, points_px: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) canvas pixels to (..., 2) source pixels; the inverse of `to_canvas`."""
        scale, offset = self._axes()
        return ((points_px - offset + 0.5) / scale - 0.5).astype(np.float32)

    def _axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.scale), np.array([self.left, self.top], np.float64)


def letterbox(
    source_width: int, source_height: int, canvas_width: int, canvas_height: int
) -> Letterbox:
    """The letterbox of a source size on a canvas size.

    Raises:
        PoseError: if a side is below 1.
    """
    sides = (source_width, source_height, canvas_width, canvas_height)
    if min(sides) < 1:
        raise PoseError(f"sides of frame and canvas must be 1 or more, got {sides}")
    scale = min(canvas_width / source_width, canvas_height / source_height)
    inner_width = min(canvas_width, max(1, round(source_width * scale)))
    inner_height = min(canvas_height, max(1, round(source_height * scale)))
    return Letterbox(
        *sides,
        inner_width=inner_width,
        inner_height=inner_height,
        left=(canvas_width - inner_width) // 2,
        top=(canvas_height - inner_height) // 2,
    )


def best_canvas(
    source_width: int, source_height: int, canvases: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """The (width, height) of `canvases` on which the source wastes least: largest picture per area.

    Among canvases that show the source equally large the smallest area wins (it is the fastest).

    Raises:
        PoseError: if `canvases` is empty.
    """
    if not canvases:
        raise PoseError("a model must name at least one canvas size, got none")

    def worth(canvas: tuple[int, int]) -> tuple[float, float]:
        place = letterbox(source_width, source_height, *canvas)
        area = canvas[0] * canvas[1]
        return round(place.inner_width * place.inner_height / area, 2), -area

    return max(canvases, key=worth)


@dataclass(frozen=True, slots=True, eq=False)
class CropAffine:
    """How one person's box lies on a top-down crop: centre, size in source pixels, rotation.

    The box (already padded to the crop's aspect) is mapped as by the three-point affine of HRNet's
    `get_affine_transform`: centre to (w/2, h/2), box width to crop width.
    """

    centre_px: tuple[float, float]
    width_px: float
    crop_width: int
    crop_height: int
    rotation_degrees: float = 0.0

    def __post_init__(self) -> None:
        """Refuses a crop or a box without extent."""
        if self.width_px <= 0 or min(self.crop_width, self.crop_height) < 1:
            raise PoseError(
                f"crop of {self.crop_width}x{self.crop_height} from a box {self.width_px} px wide"
            )

    def matrix(self) -> NDArray[np.float64]:
        """(2, 3) matrix from source pixels to crop pixels."""
        scale = self.crop_width / self.width_px
        angle = np.deg2rad(self.rotation_degrees)
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        linear = np.array([[cos, sin], [-sin, cos]])
        middle = np.array([self.crop_width / 2, self.crop_height / 2])
        offset = middle - linear @ np.array(self.centre_px)
        return np.hstack([linear, offset[:, None]])

    def inverse(self) -> NDArray[np.float64]:
        """(2, 3) matrix from crop pixels to source pixels."""
        matrix = self.matrix()
        linear = np.linalg.inv(matrix[:, :2])
        return np.hstack([linear, -linear @ matrix[:, 2:]])

    def to_crop(self, points_px: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) source pixels to (..., 2) crop pixels."""
        return _apply(self.matrix(), points_px)

    def to_source(self, points_px: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) crop pixels to (..., 2) source pixels; the inverse of `to_crop`."""
        return _apply(self.inverse(), points_px)


def crop_affine(
    box_px: Sequence[float], crop_width: int, crop_height: int, padding: float = 1.25
) -> CropAffine:
    """The crop of a box (x, y, w, h): short side grown to the crop's aspect, then times `padding`.

    As in HRNet's `_box2cs` (leoxiaobin/deep-high-resolution-net, `lib/dataset/coco.py`).

    Raises:
        PoseError: if the box has no extent.
    """
    x, y, width, height = (float(value) for value in box_px)
    aspect = crop_width / crop_height
    return CropAffine(
        centre_px=(x + width * 0.5, y + height * 0.5),
        width_px=max(width, height * aspect) * padding,
        crop_width=crop_width,
        crop_height=crop_height,
    )


def _apply(matrix: NDArray[np.float64], points_px: NDArray[np.float32]) -> NDArray[np.float32]:
    return (points_px @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
