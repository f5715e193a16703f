from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from stream.oks import object_keypoint_similarity, pose_area_px2
from stream.skeleton import COCO_17

Floats = NDArray[np.float32]

SIGMAS = COCO_17.sigmas
coordinates = st.floats(0, 500, width=32)
people = st.integers(0, 4).flatmap(lambda n: arrays(np.float32, (n, 17, 2), elements=coordinates))
one_person = arrays(np.float32, (1, 17, 2), elements=coordinates)
seen = arrays(np.float32, (1, 17), elements=st.sampled_from([0.0, 1.0]))


def by_the_definition(truth: Floats, found: Floats, seen: Floats, area: float) -> float:
    """COCO's words as a loop: mean over the labelled joints of exp(-d^2 / (2 s^2 k^2))."""
    parts = []
    for joint in range(17):
        if seen[joint] > 0:
            dx, dy = (float(found[joint, axis]) - float(truth[joint, axis]) for axis in (0, 1))
            k = 2 * float(SIGMAS[joint])
            parts.append(exp(-(dx * dx + dy * dy) / (2 * area * k * k)))
    return sum(parts) / len(parts) if parts else 0.0


def oks(truth: Floats, found: Floats, weights: Floats, area: float) -> Floats:
    areas = np.full(len(truth), area, np.float32)
    return object_keypoint_similarity(truth, found, weights, areas, SIGMAS)


def test_a_similarity_worked_out_by_hand() -> None:
    """Nose and left shoulder are labelled; s^2 = 10000 px^2; the nose is 5.2 px off.

    k of a nose is 0.052, so its part is exp(-27.04 / (2 * 10000 * 0.002704)) = exp(-0.5).
    """
    truth = np.full((1, 17, 2), 100, np.float32)
    found = truth.copy()
    found[0, 0, 0] += 5.2
    weights = np.zeros((1, 17), np.float32)
    weights[0, [0, 5]] = 1

    assert oks(truth, found, weights, 10_000)[0, 0] == pytest.approx((exp(-0.5) + 1) / 2, abs=1e-5)


@given(one_person, people, seen, st.floats(100, 1e5))
def test_every_pair_has_the_similarity_of_the_definition_which_lies_between_0_and_1(
    truth: Floats, found: Floats, weights: Floats, area: float
) -> None:
    result = oks(truth, found, weights, area)

    assert result.shape == (1, len(found))
    assert ((result >= 0) & (result <= 1 + 1e-6)).all()
    expected = [by_the_definition(truth[0], person, weights[0], area) for person in found]
    np.testing.assert_allclose(result[0], expected, atol=1e-4)


@given(one_person, one_person, st.integers(-400, 400), st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_shift_and_scale_of_the_picture_change_nothing(
    truth: Floats, found: Floats, shift: int, scale: float
) -> None:
    weights = np.ones((1, 17), np.float32)
    moved = [(people * np.float32(scale) + shift).astype(np.float32) for people in (truth, found)]

    before = oks(truth, found, weights, 2500.0)
    after = oks(moved[0], moved[1], weights, 2500.0 * scale**2)

    np.testing.assert_allclose(after, before, atol=1e-3)


@given(one_person, seen)
def test_a_pose_is_fully_like_itself_and_like_nothing_without_a_joint_that_counts(
    person: Floats, weights: Floats
) -> None:
    expected = 1.0 if weights.any() else 0.0
    assert oks(person, person, weights, 900.0)[0, 0] == pytest.approx(expected, abs=1e-6)


def test_nobody_has_no_pairs() -> None:
    nobody = np.zeros((0, 17, 2), np.float32)
    someone = np.zeros((2, 17, 2), np.float32)
    assert oks(nobody, someone, np.zeros((0, 17), np.float32), 1.0).shape == (0, 2)
    assert oks(someone, nobody, np.ones((2, 17), np.float32), 1.0).shape == (2, 0)


def test_the_area_of_a_pose_is_a_share_of_its_box() -> None:
    """40 x 100 px: 0.53 * 4000; a person seen edge-on counts as a quarter as wide as high."""
    broad, edge_on = np.zeros((2, 17, 2), np.float32)
    broad[0], edge_on[0] = (40, 100), (0, 100)
    areas = pose_area_px2(np.stack([broad, edge_on]))
    np.testing.assert_allclose(areas, [0.53 * 40 * 100, 0.53 * 25 * 100], rtol=1e-6)


@given(one_person, st.sampled_from([0.5, 2.0, 8.0]))
def test_the_area_grows_with_the_square_of_the_scale(person: Floats, scale: float) -> None:
    grown = pose_area_px2(person * np.float32(scale))
    np.testing.assert_allclose(grown, pose_area_px2(person) * scale**2, rtol=1e-4)
