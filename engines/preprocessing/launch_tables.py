"""What the kernels are told: which pictures lie where in memory, and where they shall go; pure.

The layouts are those of `pixels.h`; a table goes to the device as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError
from stream.geometry import CropAffine, Letterbox
from stream.picture import ColourSpace, yuv_to_rgb

Table = NDArray[np.void]

COLOUR_SCALE = 1 << 10
"""`cv2.transform` takes uint8 through a matrix of integers of this unit."""

PICTURES = np.dtype(
    [
        ("y", np.uint64),
        ("u", np.uint64),
        ("v", np.uint64),
        ("width", np.int32),
        ("height", np.int32),
        ("y_pitch", np.int32),
        ("chroma_pitch", np.int32),
        ("chroma_step", np.int32),
        ("is_rgb", np.int32),
        ("colour", np.int32, 12),
    ]
)
CANVAS_PLACES = np.dtype(
    [(name, np.int32) for name in ("picture", "inner_width", "inner_height", "left", "top")]
)
CROP_PLACES = np.dtype([("to_source", np.float64, 6), ("picture", np.int32), ("unused", np.int32)])


@dataclass(frozen=True, slots=True)
class PictureAddress:
    """A picture in the memory that the kernel sees. Whoever made it keeps the memory alive."""

    y: int
    """Address of luma; of interleaved RGB if there is no chroma."""
    width: int
    height: int
    y_pitch: int
    """Bytes from row to row."""
    u: int = 0
    v: int = 0
    chroma_pitch: int = 0
    chroma_step: int = 1
    """Bytes from column to column of chroma: 2 in NV12, where v = u + 1."""
    colour_space: ColourSpace = ColourSpace.BT601
    full_range: bool = False

    def __post_init__(self) -> None:
        """Refuses rows that would overlap, and chroma without its other half."""
        chroma = self.chroma_step * ((self.width + 1) // 2 - 1) + 1
        fits = self.y_pitch >= self.width * (3 if self.is_rgb else 1)
        if min(self.width, self.height) < 1 or not self.y or not fits:
            raise PoseError(f"{self}: expected an address and rows as long as the picture is wide")
        if bool(self.u) != bool(self.v) or (self.u and self.chroma_pitch < chroma):
            raise PoseError(f"{self}: expected rows of chroma of {chroma} bytes or more, u and v")

    @property
    def is_rgb(self) -> bool:
        """Whether it is interleaved RGB; else 4:2:0."""
        return not self.u


def nv12_address(
    y: int,
    y_pitch: int,
    pairs: int,
    pairs_pitch: int,
    size: tuple[int, int],
    colour: tuple[ColourSpace, bool],
) -> PictureAddress:
    """A picture of luma and of pairs of chroma, (width, height), as NVDEC gives it."""
    return PictureAddress(
        y, *size, y_pitch, pairs, pairs + 1, pairs_pitch, 2, colour[0], full_range=colour[1]
    )


def picture_table(pictures: Sequence[PictureAddress]) -> Table:
    """(N,) rows of `PICTURES`."""
    table = np.zeros(len(pictures), PICTURES)
    for row, picture in zip(table, pictures, strict=True):
        for name in ("y", "u", "v", "width", "height", "y_pitch", "chroma_pitch", "chroma_step"):
            row[name] = getattr(picture, name)
        row["is_rgb"] = picture.is_rgb
        row["colour"] = colour_integers(picture.colour_space, full_range=picture.full_range).ravel()
    return table


def canvas_table(places: Sequence[tuple[int, Letterbox]]) -> Table:
    """(N,) rows of `CANVAS_PLACES`, of (number of the picture, its letterbox)."""
    rows = [
        (number, place.inner_width, place.inner_height, place.left, place.top)
        for number, place in places
    ]
    return np.array(rows, CANVAS_PLACES)


def crop_table(places: Sequence[tuple[int, CropAffine]]) -> Table:
    """(N,) rows of `CROP_PLACES`, of (number of the picture, its crop)."""
    table = np.zeros(len(places), CROP_PLACES)
    for row, (number, place) in zip(table, places, strict=True):
        row["to_source"], row["picture"] = place.inverse().ravel(), number
    return table


def colour_integers(space: ColourSpace, *, full_range: bool) -> NDArray[np.int32]:
    """(3, 4) from (y, u, v, 1) to RGB in units of 1 / `COLOUR_SCALE`; a half is added to round."""
    matrix = yuv_to_rgb(space, full_range=full_range).copy()
    matrix[:, 3] += 0.5
    return np.rint(matrix * COLOUR_SCALE).astype(np.int32)
