import struct

import numpy as np
import pytest

from stream.ingest.orientation import (
    UPRIGHT,
    orientation_from_matrix,
    orientation_from_rotation,
)

PLANE = np.arange(6, dtype=np.uint8).reshape(2, 3)
# EXIF orientation -> the matrix that FFmpeg makes of it, and the upright picture.
EIGHT = [
    ((1, 0, 0, 1), PLANE),
    ((-1, 0, 0, 1), PLANE[:, ::-1]),
    ((-1, 0, 0, -1), PLANE[::-1, ::-1]),
    ((1, 0, 0, -1), PLANE[::-1]),
    ((0, 1, 1, 0), PLANE.T),
    ((0, 1, -1, 0), np.rot90(PLANE, -1)),
    ((0, -1, -1, 0), PLANE[::-1, ::-1].T),
    ((0, -1, 1, 0), np.rot90(PLANE)),
]


def matrix(a: int, b: int, c: int, d: int, tilt: int = 0) -> bytes:
    one = 1 << 16
    values = a * one + tilt, b * one - tilt, 0, c * one + tilt, d * one + tilt, 0, 0, 0, 1 << 30
    return struct.pack("=9i", *values)


@pytest.mark.parametrize("tilt", [0, 5000])
@pytest.mark.parametrize(("signs", "upright"), EIGHT)
def test_each_of_the_eight_orientations_is_turned_upright(
    signs: tuple[int, int, int, int], upright: np.ndarray, tilt: int
) -> None:
    turned = orientation_from_matrix(matrix(*signs, tilt=tilt)).upright(PLANE)
    assert np.array_equal(turned, upright)


@pytest.mark.parametrize("degrees", [-180, -90, -89, 0, 2, 90, 180])
def test_a_rotation_counts_counterclockwise(degrees: int) -> None:
    turned = orientation_from_rotation(degrees).upright(PLANE)
    assert np.array_equal(turned, np.rot90(PLANE, round(degrees / 90)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (7, 4)])
@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_thin_planes_keep_their_two_ranks(shape: tuple[int, int], degrees: int) -> None:
    plane = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    turned = orientation_from_rotation(degrees).upright(plane)
    assert np.array_equal(turned, np.rot90(plane, round(degrees / 90)))


def test_nothing_is_copied_when_nothing_is_to_be_turned() -> None:
    assert UPRIGHT.upright(PLANE) is PLANE
