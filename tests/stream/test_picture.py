import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import PoseError
from stream.geometry import letterbox
from stream.picture import CANVAS_GREY, ColourSpace, Picture, picture_from_rgb, to_canvas, to_rgb

Rgb = tuple[int, int, int]

level = st.integers(0, 255)


def flat(y: int, u: int, v: int, space: ColourSpace, *, full_range: bool = False) -> Picture:
    half = np.zeros((2, 2), np.uint8)
    return Picture(np.full((4, 4), y, np.uint8), half + np.uint8(u), half + np.uint8(v), space,
                   full_range)  # fmt: skip


def filled(colour: Rgb, width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("space", "full_range", "yuv", "rgb"),
    [
        # 75 % and 100 % colour bars as the recommendations list them.
        (ColourSpace.BT601, False, (235, 128, 128), (255, 255, 255)),
        (ColourSpace.BT601, False, (16, 128, 128), (0, 0, 0)),
        (ColourSpace.BT601, False, (81, 90, 240), (255, 0, 0)),
        (ColourSpace.BT601, False, (145, 54, 34), (0, 255, 0)),
        (ColourSpace.BT601, False, (41, 240, 110), (0, 0, 255)),
        (ColourSpace.BT709, False, (63, 102, 240), (255, 0, 0)),
        (ColourSpace.BT709, False, (173, 42, 26), (0, 255, 0)),
        (ColourSpace.BT709, False, (32, 240, 118), (0, 0, 255)),
        (ColourSpace.BT2020, False, (74, 97, 240), (255, 0, 0)),
        (ColourSpace.BT601, True, (76, 85, 255), (255, 0, 0)),
        (ColourSpace.BT601, True, (128, 128, 128), (128, 128, 128)),
    ],
)
def test_known_colours_come_out(space: ColourSpace, full_range: bool, yuv: Rgb, rgb: Rgb) -> None:
    shown = to_rgb(flat(*yuv, space, full_range=full_range))
    assert np.abs(shown.astype(int) - np.array(rgb)).max() <= 2


@given(level, level, level, st.integers(1, 9), st.integers(1, 9))
def test_a_flat_colour_survives_the_way_through_the_planes(
    red: int, green: int, blue: int, width: int, height: int
) -> None:
    rgb = filled((red, green, blue), width, height)
    shown = to_rgb(picture_from_rgb(rgb))
    assert shown.shape == rgb.shape
    assert np.abs(shown.astype(int) - rgb).max() <= 2


@given(st.integers(1, 33), st.integers(1, 33), st.integers(8, 40), st.integers(8, 40))
def test_the_picture_lies_in_its_place_on_the_canvas_with_grey_around(
    width: int, height: int, canvas_width: int, canvas_height: int
) -> None:
    place = letterbox(width, height, canvas_width, canvas_height)
    canvas = to_canvas(picture_from_rgb(filled((250, 10, 10), width, height)), place)

    red = canvas[..., 0] > 200
    inside = np.zeros((canvas_height, canvas_width), bool)
    rows = slice(place.top, place.top + place.inner_height)
    inside[rows, place.left : place.left + place.inner_width] = True
    assert canvas.shape == (canvas_height, canvas_width, 3)
    np.testing.assert_array_equal(red, inside)
    assert (canvas[~inside] == CANVAS_GREY).all()


def test_what_is_shrunk_is_averaged_and_not_picked() -> None:
    """Stripes of one pixel become grey: a far person does not flicker."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    canvas = to_canvas(picture_from_rgb(stripes), letterbox(64, 64, 16, 16))
    assert np.abs(canvas.astype(int) - 128).max() <= 2


def test_a_spot_is_where_the_letterbox_says() -> None:
    rgb = filled((0, 0, 0), 200, 100)
    rgb[38:43, 118:123] = 255
    place = letterbox(200, 100, 80, 80)
    luma = to_canvas(picture_from_rgb(rgb), place)[..., 1].astype(float)
    luma[luma == CANVAS_GREY] = 0

    rows, columns = np.indices(luma.shape)
    middle = [(columns * luma).sum() / luma.sum(), (rows * luma).sum() / luma.sum()]
    expected = place.to_canvas(np.array([120, 40], np.float32))
    np.testing.assert_allclose(middle, expected, atol=0.1)


def test_a_letterbox_of_another_size_is_refused() -> None:
    with pytest.raises(PoseError, match="200x100, picture is 4x4"):
        to_canvas(flat(16, 128, 128, ColourSpace.BT601), letterbox(200, 100, 80, 80))


def test_odd_sizes_have_chroma_for_their_last_row_and_column() -> None:
    picture = picture_from_rgb(filled((9, 9, 9), 5, 3))
    assert (picture.width, picture.height) == (5, 3)
    assert picture.u.shape == picture.v.shape == (2, 3)


def test_planes_cannot_be_written_to() -> None:
    picture = flat(16, 128, 128, ColourSpace.BT601)
    for plane in (picture.y, picture.u, picture.v):
        with pytest.raises(ValueError, match="read-only"):
            plane[0, 0] = 1


PLANE = np.zeros((4, 4), np.uint8)
HALF = np.zeros((2, 2), np.uint8)


@pytest.mark.parametrize(
    ("y", "u", "v", "name"),
    [
        (PLANE, PLANE, HALF, "u"),
        (PLANE, HALF, HALF[:1], "v"),
        (PLANE.astype(np.float32), HALF, HALF, "y"),
        (PLANE[None], HALF, HALF, "y"),
        (PLANE[:0], HALF[:0], HALF[:0], "y"),
    ],
)
def test_planes_that_do_not_fit_are_refused_by_name(
    y: NDArray[np.uint8], u: NDArray[np.uint8], v: NDArray[np.uint8], name: str
) -> None:
    with pytest.raises(PoseError, match=f"plane {name}: expected uint8"):
        Picture(y.copy(), u.copy(), v.copy())


@pytest.mark.parametrize(
    "rgb",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8),
     np.zeros((4, 4, 3), np.float32)],
)  # fmt: skip
def test_an_array_that_is_no_rgb_picture_is_refused(rgb: NDArray[np.uint8]) -> None:
    with pytest.raises(PoseError, match=r"expected uint8 \(H, W, 3\)"):
        picture_from_rgb(rgb)
