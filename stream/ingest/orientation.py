"""How a picture must be turned to stand upright, from its display matrix; pure."""

import struct
from dataclasses import dataclass

import cv2

from stream.picture import Plane

_MATRIX = struct.Struct("=9i")


@dataclass(frozen=True, slots=True)
class Orientation:
    """Swap rows and columns first, then mirror."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def upright(self, plane: Plane) -> Plane:
        """The plane turned; itself if nothing is to be done.

        Chroma of an odd-sided picture moves by one luma pixel when it is mirrored.
        """
        if self.transpose:
            plane = _plane(cv2.transpose(plane), plane.shape[::-1])
        if self.mirror_x or self.mirror_y:
            both = self.mirror_x and self.mirror_y
            code = -1 if both else 1 if self.mirror_x else 0
            plane = _plane(cv2.flip(plane, code), plane.shape)
        return plane


UPRIGHT = Orientation()


def orientation_from_matrix(matrix: bytes) -> Orientation:
    """The nearest of the eight right-angled orientations.

    FFmpeg's `libavutil/display.h`: nine int32 (a b u; c d v; x y w), a point (p, q) of the picture
    is shown at (a p + c q + x, b p + d q + y).
    """
    a, b, _, c, d, *_ = _MATRIX.unpack(matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transpose=True, mirror_x=c < 0, mirror_y=b < 0)
    return Orientation(mirror_x=a < 0, mirror_y=d < 0)


def orientation_from_rotation(degrees: int) -> Orientation:
    """The nearest right-angled orientation of a rotation, counterclockwise as FFmpeg counts."""
    quarter = round(degrees / 90) % 4
    return (
        UPRIGHT,
        Orientation(transpose=True, mirror_y=True),
        Orientation(mirror_x=True, mirror_y=True),
        Orientation(transpose=True, mirror_x=True),
    )[quarter]


def _plane(turned: object, shape: tuple[int, ...]) -> Plane:
    # OpenCV gives a plane of one row or column other ranks.
    plane: Plane = turned.reshape(shape)  # type: ignore[attr-defined]
    return plane
