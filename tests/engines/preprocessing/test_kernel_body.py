"""The very code the GPU runs, on this processor, against the path of NumPy and OpenCV."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.preprocessing.launch_tables import canvas_table, crop_table
from stream.clock import ManualClock
from stream.geometry import CropAffine, crop_affine, letterbox
from stream.ingest.open_source import open_source
from stream.picture import CANVAS_GREY, Picture, to_canvas, to_rgb
from tests.engines.preprocessing.compiled_body import CompiledBody
from tests.engines.preprocessing.picture_cases import (
    CROP,
    Scene,
    as_i420,
    as_nv12,
    crops,
    cut,
    noise,
    scenes,
    worst,
)

TIES = 2
"""Grey levels, where averages lie between two: one of a plane becomes two of blue."""
LEVELS = 1
"""Of crops: OpenCV's weights are of single precision."""


@given(scenes())
def test_a_canvas_is_that_of_the_pipeline(compiled_body: CompiledBody, scene: Scene) -> None:
    table = canvas_table([(0, scene.place)])
    [found] = compiled_body.canvases([scene.there.address], table, *scene.canvas)
    sides = scene.picture.width, scene.picture.height
    enlarged = scene.place.inner_width >= sides[0] and scene.place.inner_height >= sides[1]
    assert worst(found, to_canvas(scene.picture, scene.place)) <= (0 if enlarged else TIES)


@given(scenes(rgb=True))
def test_rgb_comes_to_a_canvas_as_opencv_scales_it(
    compiled_body: CompiledBody, scene: Scene
) -> None:
    table = canvas_table([(0, scene.place)])
    [found] = compiled_body.canvases([scene.there.address], table, *scene.canvas)
    place, rgb = scene.place, to_rgb(scene.picture)
    size = place.inner_width, place.inner_height
    shrinks = size[0] < rgb.shape[1] or size[1] < rgb.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    rows = slice(place.top, place.top + size[1])
    columns = slice(place.left, place.left + size[0])
    expected = np.full_like(found, CANVAS_GREY)
    expected[rows, columns] = cv2.resize(rgb, size, interpolation=method)
    assert worst(found, expected) <= LEVELS


@given(scenes(), st.lists(crops(), min_size=1, max_size=4))
def test_crops_are_those_of_the_pipeline(
    compiled_body: CompiledBody, scene: Scene, places: list[CropAffine]
) -> None:
    table = crop_table([(0, place) for place in places])
    found = compiled_body.crops([scene.there.address], table, *CROP)
    assert worst(found, cut(scene.picture, places)) <= LEVELS


@given(scenes(rgb=True), crops())
def test_crops_of_rgb_are_those_of_opencv(
    compiled_body: CompiledBody, scene: Scene, place: CropAffine
) -> None:
    [found] = compiled_body.crops([scene.there.address], crop_table([(0, place)]), *CROP)
    rgb = to_rgb(scene.picture)
    expected = cv2.warpAffine(rgb, place.matrix(), CROP, flags=cv2.INTER_LINEAR)
    assert worst(found, np.asarray(expected, np.uint8)) <= LEVELS


def test_people_of_several_pictures_ride_in_one_launch(compiled_body: CompiledBody) -> None:
    pictures = [noise(64, 48, 1), noise(33, 81, 2)]
    there = [as_nv12(pictures[0], 3), as_i420(pictures[1], 0)]
    places = [crop_affine((4, 4, 20, 40), *CROP), crop_affine((1, 8, 30, 30), *CROP)]
    table = crop_table([(1, places[0]), (0, places[1]), (1, places[1])])
    found = compiled_body.crops([one.address for one in there], table, *CROP)
    expected = [
        cut(pictures[1], places[:1]),
        cut(pictures[0], places[1:]),
        cut(pictures[1], places[1:]),
    ]
    assert worst(found, np.concatenate(expected)) <= LEVELS


def test_a_crop_without_end_is_black(compiled_body: CompiledBody) -> None:
    there = as_nv12(noise(20, 20, 3), 0)
    far = CropAffine((1e30, -1e30), 5.0, *CROP)
    assert not compiled_body.crops([there.address], crop_table([(0, far)]), *CROP).any()


@pytest.mark.parametrize("canvas", [(640, 384), (512, 288), (256, 256), (1280, 736)])
def test_a_real_picture_comes_out_the_same(
    compiled_body: CompiledBody, shared_data: Path, canvas: tuple[int, int]
) -> None:
    picture = a_real_picture(shared_data)
    place = letterbox(picture.width, picture.height, *canvas)
    there = as_nv12(picture, 64)
    [found] = compiled_body.canvases([there.address], canvas_table([(0, place)]), *canvas)
    assert worst(found, to_canvas(picture, place)) <= TIES

    size = (192, 256)
    box = (picture.width * 0.3, picture.height * 0.2, picture.width * 0.2, picture.height * 0.7)
    where = [crop_affine(box, *size)]
    crop = compiled_body.crops([there.address], crop_table([(0, where[0])]), *size)
    assert worst(crop, cut(picture, where)) <= LEVELS


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(1, 2000),
    st.integers(1, 2000),
)
def test_a_letterbox_never_shrinks_one_side_and_enlarges_the_other(
    width: int, height: int, canvas_width: int, canvas_height: int
) -> None:
    place = letterbox(width, height, canvas_width, canvas_height)
    for from_width, from_height in ((width, height), ((width + 1) // 2, (height + 1) // 2)):
        shrinks = place.inner_width < from_width or place.inner_height < from_height
        enlarges = place.inner_width > from_width or place.inner_height > from_height
        assert not (shrinks and enlarges)


def a_real_picture(shared_data: Path) -> Picture:
    clip = shared_data / "videos" / "store_aisle_480x270_h264.mp4"
    with closing(open_source(str(clip), stream="clip", clock=ManualClock())) as source:
        return next(iter(source.frames())).picture
