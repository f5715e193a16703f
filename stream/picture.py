"""A decoded picture as three planes, and the cheap ways to other forms.

Frames stay in the decoder's own YUV 4:2:0 planes until somebody needs RGB: scaling the planes
first and converting the small result is cheaper than converting first (see `tests/bench/`).
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError
from stream.geometry import Letterbox

Plane = NDArray[np.uint8]

CANVAS_GREY = 114
"""Value of the canvas border, the usual one of letterboxed networks (YOLOX)."""


class ColourSpace(Enum):
    """Which luma weights (Kr, Kb) the planes were made with (ITU-R BT.601, BT.709, BT.2020)."""

    BT601 = (0.299, 0.114)
    BT709 = (0.2126, 0.0722)
    BT2020 = (0.2627, 0.0593)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded picture, 8-bit YUV 4:2:0, upright (rotation already applied).

    The planes are read-only views; they stay valid as long as the picture is held.
    """

    y: Plane
    """(H, W) luma."""
    u: Plane
    """(ceil(H/2), ceil(W/2)) blue difference."""
    v: Plane
    """(ceil(H/2), ceil(W/2)) red difference."""
    colour_space: ColourSpace = ColourSpace.BT601
    full_range: bool = False
    """True if luma spans 0-255 (JPEG), False if 16-235 (broadcast)."""

    def __post_init__(self) -> None:
        """Checks ranks, types and that chroma is half of luma, and makes the planes read-only."""
        half = tuple((side + 1) // 2 for side in self.y.shape)
        for name, plane, shape in (
            ("y", self.y, self.y.shape),
            ("u", self.u, half),
            ("v", self.v, half),
        ):
            if (
                plane.ndim != 2
                or plane.dtype != np.uint8
                or plane.shape != shape
                or plane.size == 0
            ):
                raise PoseError(
                    f"picture plane {name}: expected uint8 {shape} for luma {self.y.shape}, "
                    f"got {plane.dtype} {plane.shape}"
                )
            plane.flags.writeable = False

    @property
    def width(self) -> int:
        """Columns of the luma plane."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of the luma plane."""
        return int(self.y.shape[0])


def picture_from_rgb(rgb: NDArray[np.uint8]) -> Picture:
    """The picture of an (H, W, 3) RGB array (BT.601, full range; chroma averaged over 2x2)."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise PoseError(f"expected uint8 (H, W, 3) with H, W >= 1, got {rgb.dtype} {rgb.shape}")
    height, width = rgb.shape[:2]
    half = ((width + 1) // 2, (height + 1) // 2)
    matrix = _rgb_to_yuv(ColourSpace.BT601)
    luma: Plane = cv2.transform(np.ascontiguousarray(rgb), matrix[:1])  # type: ignore[assignment]
    # The mean of a block's chroma is the chroma of its mean: a quarter of the pixels to multiply.
    means = cv2.resize(rgb.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    chroma = cv2.transform(means.reshape(half[1], half[0], 3), matrix[1:])
    u, v = (_to_uint8(chroma[..., plane]) for plane in (0, 1))
    return Picture(luma.reshape(height, width), u, v, ColourSpace.BT601, full_range=True)


def black_picture(
    width: int, height: int, space: ColourSpace = ColourSpace.BT601, *, full_range: bool = False
) -> Picture:
    """A black picture that takes no memory: one pixel, seen everywhere."""
    half = (height + 1) // 2, (width + 1) // 2
    y = np.broadcast_to(np.uint8(0), (height, width))
    u, v = np.broadcast_to(np.uint8(128), half), np.broadcast_to(np.uint8(128), half)
    return Picture(y, u, v, space, full_range)


def copied_picture(picture: Picture) -> Picture:
    """A picture in memory of its own."""
    y, u, v = (plane.copy() for plane in (picture.y, picture.u, picture.v))
    return Picture(y, u, v, picture.colour_space, picture.full_range)


def to_rgb(picture: Picture) -> NDArray[np.uint8]:
    """(H, W, 3) RGB at full size, a new array."""
    rgb = np.empty((picture.height, picture.width, 3), np.uint8)
    _draw_scaled(picture, rgb)
    return rgb


def rgb_window(picture: Picture, left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
    """(bottom - top, right - left, 3): that part of `to_rgb`, to the bit, without the rest.

    Args:
        picture: whole.
        left: first column, from 0; likewise `top`.
        top: first row.
        right: one past the last column, at most the picture's width; likewise `bottom`.
        bottom: one past the last row.
    """
    if picture.width % 2 or picture.height % 2:  # chroma is stretched a little, over all of it
        return to_rgb(picture)[top:bottom, left:right]
    # Chroma is enlarged from its neighbours too: two more luma pixels, and pairs stay pairs.
    x, y = max(0, left // 2 * 2 - 2), max(0, top // 2 * 2 - 2)
    x_end = min(picture.width, (right + 1) // 2 * 2 + 2)
    y_end = min(picture.height, (bottom + 1) // 2 * 2 + 2)
    half = slice(y // 2, (y_end + 1) // 2), slice(x // 2, (x_end + 1) // 2)
    part = Picture(
        picture.y[y:y_end, x:x_end],
        picture.u[half],
        picture.v[half],
        picture.colour_space,
        picture.full_range,
    )
    return to_rgb(part)[top - y : bottom - y, left - x : right - x]


def to_canvas(picture: Picture, letterbox: Letterbox) -> NDArray[np.uint8]:
    """(canvas height, canvas width, 3) RGB uint8: the picture scaled into its place, grey around.

    Raises:
        PoseError: if `letterbox` was made for another picture size.
    """
    canvas = np.empty((letterbox.canvas_height, letterbox.canvas_width, 3), np.uint8)
    draw_canvas(picture, letterbox, canvas)
    return canvas


def draw_canvas(picture: Picture, letterbox: Letterbox, canvas: NDArray[np.uint8]) -> None:
    """As `to_canvas`, onto a canvas that is there already: all of it is drawn over.

    Raises:
        PoseError: if `letterbox` was made for another picture size.
    """
    if (letterbox.source_width, letterbox.source_height) != (picture.width, picture.height):
        raise PoseError(
            f"letterbox is for {letterbox.source_width}x{letterbox.source_height}, "
            f"picture is {picture.width}x{picture.height}"
        )
    top, left = letterbox.top, letterbox.left
    bottom, right = top + letterbox.inner_height, left + letterbox.inner_width
    for border in (canvas[:top], canvas[bottom:], canvas[:, :left], canvas[:, right:]):
        border[:] = CANVAS_GREY
    _draw_scaled(picture, canvas[top:bottom, left:right])


def _draw_scaled(picture: Picture, rgb: NDArray[np.uint8]) -> None:
    """The picture at the size of (H, W, 3): planes scaled first, then one matrix for all pixels."""
    size = rgb.shape[1], rgb.shape[0]
    planes = [_scaled(plane, size) for plane in (picture.y, picture.u, picture.v)]
    matrix = yuv_to_rgb(picture.colour_space, full_range=picture.full_range)
    cv2.transform(cv2.merge(planes), matrix, dst=rgb)


def _scaled(plane: Plane, size: tuple[int, int]) -> Plane:
    # INTER_AREA averages when shrinking (no aliasing of far people); it is linear when enlarging.
    shrinks = size[0] < plane.shape[1] or size[1] < plane.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled: Plane = cv2.resize(plane, size, interpolation=method)  # type: ignore[assignment]
    return scaled.reshape(size[1], size[0])


@lru_cache(maxsize=8)
def yuv_to_rgb(space: ColourSpace, *, full_range: bool) -> NDArray[np.float64]:
    """(3, 4) matrix from (y, u, v, 1) in 0-255 to RGB (ITU-R BT.601, BT.709, BT.2020)."""
    kr, kb = space.value
    kg = 1 - kr - kb
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    red = 2 * (1 - kr) * chroma
    blue = 2 * (1 - kb) * chroma
    linear = np.array(
        [[luma, 0, red], [luma, -blue * kb / kg, -red * kr / kg], [luma, blue, 0]], np.float64
    )
    return np.hstack([linear, -linear @ np.array([[black], [128.0], [128.0]])])


@lru_cache(maxsize=8)
def _rgb_to_yuv(space: ColourSpace) -> NDArray[np.float64]:
    """(3, 4) matrix from (r, g, b, 1) to full-range (y, u, v)."""
    linear = np.linalg.inv(yuv_to_rgb(space, full_range=True)[:, :3])
    return np.hstack([linear, [[0.0], [128.0], [128.0]]])


def _to_uint8(plane: NDArray[Any]) -> Plane:
    rounded: Plane = np.clip(np.rint(plane), 0, 255).astype(np.uint8)
    return rounded
