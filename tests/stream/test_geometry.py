import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import PoseError
from stream.geometry import CropAffine, best_canvas, crop_affine, letterbox

BACK_PX = 0.01
"""How exactly a point must come back."""

frame_side = st.integers(16, 4000)
canvas_side = st.integers(32, 1024)
share = st.floats(-0.2, 1.2)
box_side = st.floats(4, 2000)


def point(x: float, y: float) -> NDArray[np.float32]:
    return np.array([[x, y]], np.float32)


@given(frame_side, frame_side, canvas_side, canvas_side, share, share)
def test_a_point_comes_back_from_the_canvas(
    width: int, height: int, canvas_width: int, canvas_height: int, across: float, down: float
) -> None:
    place = letterbox(width, height, canvas_width, canvas_height)
    there = point(across * width, down * height)

    back = place.to_source(place.to_canvas(there))

    # float32 itself is this coarse where a strip of a picture is blown up.
    assert np.abs(back - there).max() <= BACK_PX


@given(st.integers(1, 8000), st.integers(1, 8000), canvas_side, canvas_side)
def test_the_picture_fills_one_side_of_the_canvas_lies_in_its_middle_and_keeps_its_shape(
    width: int, height: int, canvas_width: int, canvas_height: int
) -> None:
    place = letterbox(width, height, canvas_width, canvas_height)

    right = canvas_width - place.left - place.inner_width
    below = canvas_height - place.top - place.inner_height
    assert right - place.left in {0, 1}
    assert below - place.top in {0, 1}
    assert canvas_width == place.inner_width or canvas_height == place.inner_height
    # Each side is the exact one, rounded; no side vanishes.
    exact = min(canvas_width / width, canvas_height / height)
    assert abs(place.inner_width - max(1, width * exact)) <= 0.5 + 1e-6
    assert abs(place.inner_height - max(1, height * exact)) <= 0.5 + 1e-6


def test_a_letterbox_worked_out_by_hand() -> None:
    """1920x1080 on 512x512: four fifteenths as large, 512x288, 112 rows of grey above and below."""
    place = letterbox(1920, 1080, 512, 512)

    assert (place.inner_width, place.inner_height, place.left, place.top) == (512, 288, 0, 112)
    # Edges fall onto edges: the source spans -0.5 .. 1919.5, its picture -0.5 .. 511.5.
    corners = np.array([[-0.5, -0.5], [1919.5, 1079.5]], np.float32)
    np.testing.assert_allclose(place.to_canvas(corners), [[-0.5, 111.5], [511.5, 399.5]], atol=1e-4)
    # The middle of the first source pixel: (0 + 0.5) * 4 / 15 - 0.5.
    first = 0.5 * 4 / 15 - 0.5
    np.testing.assert_allclose(place.to_canvas(point(0, 0)), [[first, 112 + first]], atol=1e-4)


def test_points_of_many_people_keep_their_shape() -> None:
    place = letterbox(640, 480, 320, 320)
    assert place.to_canvas(np.zeros((3, 17, 2), np.float32)).shape == (3, 17, 2)
    assert place.to_source(np.zeros((0, 17, 2), np.float32)).shape == (0, 17, 2)


@pytest.mark.parametrize("sides", [(0, 10, 10, 10), (10, 10, 10, 0), (10, -1, 10, 10)])
def test_a_letterbox_without_extent_is_refused(sides: tuple[int, int, int, int]) -> None:
    with pytest.raises(PoseError, match="1 or more"):
        letterbox(*sides)


@pytest.mark.parametrize(
    ("size", "canvas"),
    [((1920, 1080), (512, 288)), ((1080, 1920), (288, 512)), ((768, 576), (576, 448)),
     ((500, 500), (448, 448))],
)  # fmt: skip
def test_the_canvas_that_wastes_least_is_chosen(
    size: tuple[int, int], canvas: tuple[int, int]
) -> None:
    canvases = [(576, 448), (512, 288), (448, 576), (288, 512), (448, 448)]
    assert best_canvas(*size, canvases) == canvas


def test_of_canvases_that_waste_the_same_the_smaller_is_chosen() -> None:
    assert best_canvas(100, 100, [(640, 640), (320, 320), (480, 480)]) == (320, 320)


def test_a_model_without_a_canvas_is_refused() -> None:
    with pytest.raises(PoseError, match="at least one canvas"):
        best_canvas(100, 100, [])


@given(box_side, box_side, st.floats(-180, 180), share, share)
def test_a_point_comes_back_from_the_crop(
    width: float, height: float, degrees: float, across: float, down: float
) -> None:
    plain = crop_affine((300.0, 200.0, width, height), 192, 256)
    crop = CropAffine(plain.centre_px, plain.width_px, 192, 256, degrees)
    there = point(300 + across * width, 200 + down * height)

    assert np.abs(crop.to_source(crop.to_crop(there)) - there).max() <= BACK_PX


def test_a_crop_worked_out_by_hand() -> None:
    """A box of 60x120 around (130, 160) for a crop of 192x256 without padding.

    120 high needs 120 * 192 / 256 = 90 wide; so 90 source pixels fill 192 crop pixels.
    """
    crop = crop_affine((100.0, 100.0, 60.0, 120.0), 192, 256, padding=1.0)

    assert crop.centre_px == (130.0, 160.0)
    assert crop.width_px == 90.0
    points = np.array([[130, 160], [85, 100], [175, 220]], np.float32)
    np.testing.assert_allclose(crop.to_crop(points), [[96, 128], [0, 0], [192, 256]], atol=1e-3)


def test_a_crop_is_padded_by_a_quarter() -> None:
    assert crop_affine((0.0, 0.0, 96.0, 128.0), 192, 256).width_px == 120.0
    assert crop_affine((0.0, 0.0, 200.0, 10.0), 192, 256).width_px == 250.0


def test_a_crop_turns_around_its_middle() -> None:
    """Turned by 90 degrees, what was right of the middle is above it."""
    crop = CropAffine((50.0, 50.0), 100.0, 100, 100, 90.0)

    turned = crop.to_crop(np.array([[50, 50], [70, 50], [50, 70]], np.float32))
    np.testing.assert_allclose(turned, [[50, 50], [50, 30], [70, 50]], atol=1e-4)


@given(st.floats(-180, 180))
def test_a_crop_keeps_all_proportions(degrees: float) -> None:
    crop = CropAffine((40.0, 60.0), 48.0, 96, 128, degrees)
    first, second = crop.to_crop(np.array([[10, 20], [40, 60]], np.float32))
    assert np.linalg.norm(first - second) == pytest.approx(2 * 50, abs=1e-3)


@pytest.mark.parametrize("box", [(5.0, 5.0, 0.0, 0.0), (5.0, 5.0, -3.0, -9.0)])
def test_a_box_without_extent_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(PoseError, match="192x256"):
        crop_affine(box, 192, 256)
