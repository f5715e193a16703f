from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.networks.hgg_decode import (
    HggDecodeSettings,
    LonelyHeat,
    People,
    ScaleArrays,
    absorbed,
    adjusted,
    bilinear,
    centre_peaks,
    decode,
    decode_regression,
    fitted_peak,
    regressed,
    without_doubles,
)

Array = NDArray[np.float64]
SETTINGS = HggDecodeSettings()


def bell(
    height: int, width: int, x: float, y: float, peak: float = 1.0, sigma: float = 2.0
) -> Array:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)))


def person(x: float, y: float) -> Array:
    """17 joints on a spiral about a centre."""
    turn = np.arange(17) * 0.8
    return np.stack([x + (4 + turn) * np.cos(turn), y + (4 + turn) * np.sin(turn)], -1)


def scale_of(
    centres: list[tuple[int, int, float]], poses: list[Array], size: tuple[int, int]
) -> ScaleArrays:
    """Centre maps with single cells; poses in cells stored at these cells."""
    width, height = size
    centre, pose = np.zeros((height, width)), np.zeros((34, height, width))
    for (x, y, value), joints in zip(centres, poses, strict=True):
        centre[y, x] = value
        pose[:, y, x] = joints.ravel()
    return ScaleArrays(centre, pose)


@pytest.mark.parametrize(("side", "reach"), [(200, 1), (201, 2), (300, 2), (301, 3)])
def test_the_window_of_centres_grows_with_the_map(side: int, reach: int) -> None:
    for apart, expected in ((reach, 1), (reach + 1, 2)):
        centre = np.zeros((side, side))
        centre[50, 50], centre[50, 50 + apart] = 1.0, 0.5
        cells, values = centre_peaks(centre, 0.01, 30)
        assert len(cells) == expected
        assert values[0] == 1.0
        assert cells[0] == 50 * side + 50


def test_centres_must_be_above_a_hundredth_and_are_at_most_thirty() -> None:
    centre = np.zeros((60, 60))
    centre[5, 5], centre[9, 9] = 0.01, 0.011
    assert centre_peaks(centre, 0.01, 30)[1].tolist() == [0.011]
    centre[::4, ::4] = np.random.default_rng(0).uniform(0.1, 1, (15, 15))
    cells, values = centre_peaks(centre, 0.01, 30)
    assert len(cells) == 30
    assert values.tolist() == sorted(centre.ravel().tolist(), reverse=True)[:30]


def test_poses_are_read_at_centres_and_brought_to_input_pixels() -> None:
    joints = person(20, 20)
    found = regressed([scale_of([(9, 12, 0.7)], [joints], (40, 30))], 0, 160, SETTINGS)
    np.testing.assert_allclose(found.keypoints[0], joints * 4)
    assert found.centres.tolist() == [0.7]
    assert found.values[0].tolist() == [0.7] * 17


def test_other_sizes_only_fill_gaps() -> None:
    near, far = person(20, 20), person(60, 20)
    one = scale_of([(5, 5, 0.5)], [near], (80, 40))
    # Twice as large: finds both; its centres are scaled to the highest of scale 1, then made small.
    two = scale_of([(10, 10, 0.8), (90, 10, 0.4)], [near * 2, far * 2], (160, 80))
    found = regressed([two, one], 1, 320, SETTINGS)
    assert found.centres.tolist() == pytest.approx([0.5, 0.4 / 0.8 * 0.5 * 0.001])
    np.testing.assert_allclose(found.keypoints, np.stack([near, far]) * 4)


def test_poses_with_more_than_ten_near_joints_are_one() -> None:
    first = person(50, 50) * 4
    for moved, expected in ((10, 2), (11, 1)):
        second = first + 100.0
        second[:moved] = first[:moved] + np.array([9.9, 0.0])  # under 10 px
        kept = without_doubles(np.stack([first, second]), np.array([0.4, 0.9]), SETTINGS)
        assert len(kept) == expected
        if expected == 1:
            assert kept.tolist() == [1]  # the higher centre
    second = first + np.array([10.0, 0.0])  # 10 px is not near
    assert len(without_doubles(np.stack([first, second]), np.array([0.4, 0.9]), SETTINGS)) == 2


def lone(keypoints: Array, centre: float = 0.5) -> People:
    return People(keypoints[None].copy(), np.full((1, 17), centre), np.array([centre]))


def test_joints_go_to_the_nearest_peak_within_75_px_with_its_heat() -> None:
    keypoints = np.full((17, 2), 100.0)
    heat = np.zeros((17, 200, 300))
    heat[0, 100, 174] = 0.8  # 74 px away
    heat[1, 100, 176] = 0.8  # 76 px away
    heat[1, 100, 100] = 0.03  # and a peak in place
    heat[2, 110, 100], heat[2, 100, 120] = 0.2, 0.9  # nearest, not highest
    heat[3, 100, 176] = 0.8  # too far: own heat
    got = absorbed(lone(keypoints), heat, SETTINGS)
    assert got.keypoints[0, :4].tolist() == [[174, 100], [100, 100], [100, 110], [100, 100]]
    assert got.values[0, :4].tolist() == pytest.approx([0.4, 0.015, 0.1, 0.0])


def test_weak_peaks_still_attract_with_value_zero() -> None:
    heat = np.zeros((17, 50, 50))
    heat[0, 20, 30] = 0.009
    got = absorbed(lone(np.full((17, 2), 25.0)), heat, SETTINGS)
    assert got.keypoints[0, 0].tolist() == [30, 20]
    assert got.values[0, 0] == 0


def test_a_lonely_joint_takes_the_heat_of_its_place_or_of_the_swapped_one() -> None:
    keypoints = np.full((17, 2), [30.7, 10.2])
    rows, columns = np.mgrid[:50, :200]
    heat = np.repeat((rows * 1000.0 + columns)[None], 17, 0) - 1e6  # no positive peak
    assert absorbed(lone(keypoints), heat, SETTINGS).values[0, 0] == 0.5 * heat[0, 10, 30]
    swapped = replace(SETTINGS, lonely=LonelyHeat.SWAPPED)
    assert absorbed(lone(keypoints), heat, swapped).values[0, 0] == 0.5 * heat[0, 30, 10]


def test_peaks_are_those_of_a_window_of_five_and_at_most_thirty() -> None:
    heat = np.zeros((17, 100, 100))
    heat[0, 50, 50], heat[0, 50, 52] = 0.9, 0.8  # the second is no peak
    got = absorbed(lone(np.full((17, 2), [53.0, 50.0])), heat, SETTINGS)
    assert got.keypoints[0, 0].tolist() == [50, 50]


@pytest.mark.parametrize("at", [(40.3, 30.7), (3.2, 30.1), (40.0, 57.4)])
def test_adjustment_finds_the_centre_and_height_of_a_gaussian_near_borders_too(
    at: tuple[float, float],
) -> None:
    x, y = at
    heat = np.repeat(bell(60, 80, x, y, 0.8)[None], 17, 0)
    found = lone(np.full((17, 2), [round(x), round(y)], np.float64), centre=0.5)
    found = People(found.keypoints, found.values * 0.7, found.centres)
    got = adjusted(found, heat, SETTINGS)
    np.testing.assert_allclose(got.keypoints[0, 0], at, atol=1e-4)
    assert got.values[0, 0] == pytest.approx(0.8 * 0.5, rel=1e-4)


def test_unsure_joints_joints_on_the_border_and_failed_fits_stay() -> None:
    heat = np.repeat(bell(60, 80, 0.0, 30.3)[None], 17, 0)
    on_border = lone(np.full((17, 2), [0.0, 30.0]))
    np.testing.assert_array_equal(
        adjusted(on_border, heat, SETTINGS).keypoints, on_border.keypoints
    )
    heat = np.repeat(bell(60, 80, 40.3, 30.3)[None], 17, 0)
    unsure = People(np.full((1, 17, 2), 30.0), np.full((1, 17), 0.05), np.array([0.5]))
    np.testing.assert_array_equal(adjusted(unsure, heat, SETTINGS).keypoints, unsure.keypoints)
    slope = np.mgrid[:60, :80][0] / 60.0  # its fit leaves the window or does not end
    assert fitted_peak(slope, np.array([40.0, 30.0]), SETTINGS) is None


def test_regression_mode_multiplies_the_centre_with_bilinear_heat() -> None:
    joints = person(20, 20)
    heat = np.random.default_rng(0).uniform(0, 1, (17, 160, 160))
    got = decode_regression([scale_of([(9, 12, 0.7)], [joints], (40, 40))], 0, heat, SETTINGS)
    for joint, (x, y) in enumerate(joints * 4):
        left, top = int(x), int(y)
        u, v = x - left, y - top
        corners = heat[joint, top : top + 2, left : left + 2]
        value = np.array([1 - v, v]) @ corners @ np.array([1 - u, u])
        assert got.values[0, joint] == pytest.approx(0.7 * value)
    assert got.scores[0] == pytest.approx(got.values[0].mean())


def test_bilinear_heat_is_zero_unless_all_corners_lie_on_the_map() -> None:
    heat = np.ones((4, 5))
    at = np.array([[3.9, 2.9], [4.0, 2.0], [2.0, 3.0], [-1.5, 1.0], [0.0, 0.0]])
    assert bilinear(heat, at).tolist() == [1, 0, 0, 0, 1]


def test_the_whole_decode_finds_people_from_maps() -> None:
    truth = [person(60, 60) * 1.5, person(140, 70) * 1.5]
    heat = np.zeros((17, 240, 320))
    for joints in truth:
        for joint, (x, y) in enumerate(joints):
            heat[joint] = np.maximum(heat[joint], bell(240, 320, x, y, 0.9))
    poses = [joints / 4 + 0.6 for joints in truth]  # regression is off by 2.4 px
    scale = scale_of([(22, 22, 0.8), (52, 26, 0.6)], poses, (80, 60))
    got = decode([scale], 0, heat, SETTINGS)
    np.testing.assert_allclose(got.keypoints, np.stack(truth), atol=0.02)
    assert got.scores.tolist() == pytest.approx([0.72, 0.54], rel=1e-2)


def test_no_people_no_poses() -> None:
    scale = ScaleArrays(np.zeros((10, 10)), np.zeros((34, 10, 10)))
    got = decode([scale], 0, np.zeros((17, 40, 40)), SETTINGS)
    assert got.keypoints.shape == (0, 17, 2)
    assert got.scores.shape == (0,)
