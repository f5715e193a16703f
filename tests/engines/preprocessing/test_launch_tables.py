"""What the kernels are told of pictures in memory."""

from dataclasses import replace

import numpy as np
import pytest

from engines.preprocessing.launch_tables import (
    CANVAS_PLACES,
    CROP_PLACES,
    PICTURES,
    PictureAddress,
    colour_integers,
    nv12_address,
    picture_table,
)
from stream.errors import PoseError
from stream.picture import ColourSpace

NV12 = nv12_address(4096, 64, 8192, 64, (51, 33), (ColourSpace.BT709, False))


def test_the_tables_have_the_layout_of_the_header() -> None:
    """`pixels.h` asserts the same sizes when it is compiled."""
    assert (PICTURES.itemsize, CANVAS_PLACES.itemsize, CROP_PLACES.itemsize) == (96, 20, 56)


def test_nv12_is_two_planes_whose_second_holds_pairs() -> None:
    [row] = picture_table([NV12])
    assert (row["u"], row["v"], row["chroma_step"], row["is_rgb"]) == (8192, 8193, 2, 0)
    np.testing.assert_array_equal(
        row["colour"].reshape(3, 4), colour_integers(ColourSpace.BT709, full_range=False)
    )


def test_a_picture_without_chroma_is_rgb() -> None:
    [row] = picture_table([PictureAddress(4096, 51, 33, 153)])
    assert row["is_rgb"] == 1


@pytest.mark.parametrize(
    "wrong", [{"y": 0}, {"width": 0}, {"y_pitch": 50}, {"v": 0}, {"chroma_pitch": 50}]
)
def test_addresses_that_make_no_picture_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(PoseError, match="expected"):
        replace(NV12, **wrong)  # type: ignore[arg-type]
