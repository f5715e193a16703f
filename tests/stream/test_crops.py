import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.crops import cut_crops
from stream.geometry import CropAffine, crop_affine
from stream.picture import ColourSpace, Picture, rgb_window, to_rgb

BACK_PX = 1e-6
"""How exactly a point must come back, in double precision."""
LEVELS = 1
"""Of 255; OpenCV rounds the places of its samples."""

side = st.integers(2, 90)
place = st.floats(-60, 90)
box_side = st.floats(1, 200)
CROPS = ((96, 128), (32, 64))


def noise(width: int, height: int, seed: int) -> Picture:
    """The hardest picture: every pixel, and every colour, is unlike its neighbour."""
    dice = np.random.default_rng(seed)
    half = (height + 1) // 2, (width + 1) // 2
    planes = [dice.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half)]
    space = list(ColourSpace)[seed % 3]
    return Picture(planes[0], planes[1], planes[2], space, full_range=bool(seed % 2))


def cut(picture: Picture, places: list[CropAffine]) -> NDArray[np.uint8]:
    size = places[0].crop_height, places[0].crop_width
    crops = np.full((len(places), *size, 3), 77, np.uint8)
    cut_crops(picture, places, crops)
    return crops


def cut_of_whole(picture: Picture, where: CropAffine) -> NDArray[np.uint8]:
    """The way of the training code, `builders.training.crops.plain_crop`."""
    size = where.crop_width, where.crop_height
    crop = cv2.warpAffine(to_rgb(picture), where.matrix(), size, flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)


@given(
    sides=st.tuples(side, side),
    seed=st.integers(0, 1000),
    box=st.tuples(place, place, box_side, box_side),
    size=st.sampled_from(CROPS),
)
def test_a_crop_has_the_pixels_of_the_whole_picture_in_rgb_within_a_level(
    sides: tuple[int, int],
    seed: int,
    box: tuple[float, float, float, float],
    size: tuple[int, int],
) -> None:
    picture = noise(*sides, seed)
    where = crop_affine(box, *size)
    expected = cut_of_whole(picture, where).astype(int)
    assert np.abs(cut(picture, [where])[0] - expected).max() <= LEVELS


@given(
    box=st.tuples(st.floats(-500, 4000), st.floats(-500, 4000), box_side, box_side),
    size=st.sampled_from(CROPS),
    across=st.floats(-1, 2),
    down=st.floats(-1, 2),
)
def test_a_point_comes_back_from_the_crop(
    box: tuple[float, float, float, float], size: tuple[int, int], across: float, down: float
) -> None:
    where = crop_affine(box, *size)
    matrix, inverse = (np.vstack([m, [0, 0, 1]]) for m in (where.matrix(), where.inverse()))
    there = np.array([box[0] + across * box[2], box[1] + down * box[3], 1])
    assert np.abs(inverse @ matrix @ there - there).max() <= BACK_PX


@given(width=side, height=side, seed=st.integers(0, 1000), data=st.data())
def test_a_window_is_that_part_of_the_whole(
    width: int, height: int, seed: int, data: st.DataObject
) -> None:
    picture = noise(width, height, seed)
    left = data.draw(st.integers(0, width - 1))
    top = data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    window = rgb_window(picture, left, top, right, bottom)
    np.testing.assert_array_equal(window, to_rgb(picture)[top:bottom, left:right])


def test_crops_of_a_crowd_are_those_of_each_alone() -> None:
    picture = noise(64, 48, 3)
    places = [crop_affine((x, 5, 30, 40), 96, 128) for x in range(0, 40, 4)]
    alone = np.concatenate([cut(picture, [where]) for where in places])
    assert np.abs(cut(picture, places).astype(int) - alone).max() <= LEVELS


@pytest.mark.parametrize("box", [(-500, 10, 20, 40), (10, 4000, 20, 40)])
def test_a_box_outside_the_picture_is_black(box: tuple[float, float, float, float]) -> None:
    assert not cut(noise(64, 48, 0), [crop_affine(box, 96, 128)]).any()
