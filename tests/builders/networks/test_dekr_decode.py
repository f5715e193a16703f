import numpy as np
import pytest

from builders.networks.dekr_decode import DekrDecodeSettings, dekr_decode, heat_at
from tests.builders.networks.test_hgg_decode import person, scale_of

SETTINGS = DekrDecodeSettings()


def test_values_are_centre_times_heat_at_the_whole_cell() -> None:
    joints = person(20, 20)
    heat = np.random.default_rng(0).uniform(0, 1, (17, 160, 160))
    got = dekr_decode([scale_of([(9, 12, 0.7)], [joints], (40, 40))], 0, heat, SETTINGS)
    np.testing.assert_allclose(got.keypoints[0], joints * 4)
    for joint, (x, y) in enumerate(joints * 4):
        assert got.values[0, joint] == pytest.approx(0.7 * heat[joint, int(y), int(x)])
    outside = np.full((1, 17, 2), [500.0, -3.0])
    assert heat_at(heat, outside)[0].tolist() == heat[:, 0, 159].tolist()


@pytest.mark.parametrize(("near", "expected"), [(8, 2), (9, 1)])
def test_poses_with_more_than_eight_joints_within_a_twentieth_of_the_diagonal_are_one(
    near: int, expected: int
) -> None:
    first = person(40, 40)
    sides = np.ptp(first * 4, axis=0)
    reach = 0.05 * np.hypot(*sides) / 4
    second = first + 30.0
    second[:near] = first[:near] + np.array([0.99 * reach, 0])
    heat = np.zeros((17, 400, 400))
    scale = scale_of([(10, 10, 0.9), (30, 30, 0.5)], [first, second], (100, 100))
    for joint, (x, y) in enumerate(second * 4):
        heat[joint, int(y), int(x)] = 1.0  # the second pose has the better heat
    got = dekr_decode([scale], 0, heat, SETTINGS)
    assert len(got.keypoints) == expected
    if expected == 1:
        np.testing.assert_allclose(got.keypoints[0], second * 4)


def test_other_sizes_are_scaled_to_the_highest_centre_and_to_nine_tenths() -> None:
    near, far = person(20, 20), person(60, 20)
    one = scale_of([(5, 5, 0.5)], [near], (80, 40))
    two = scale_of([(10, 10, 0.8), (90, 10, 0.4)], [near * 2 + 200, far * 2], (160, 80))
    heat = np.ones((17, 160, 320))
    got = dekr_decode([two, one], 1, heat, SETTINGS)
    assert sorted(got.centres.tolist()) == pytest.approx([0.4 / 0.8 * 0.5 * 0.9, 0.45, 0.5])


def test_no_people_no_poses() -> None:
    empty = scale_of([], [], (10, 10))
    got = dekr_decode([empty, empty], 0, np.zeros((17, 40, 40)), SETTINGS)
    assert got.keypoints.shape == (0, 17, 2)
