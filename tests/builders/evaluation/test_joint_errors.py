"""Worked examples: every similarity here is computed from the definition, not by our code."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.evaluation.joint_errors import (
    JointError,
    PictureTruth,
    corrected,
    distance_at,
    joint_verdicts,
)
from stream.skeleton import COCO_17, CROWDPOSE_14
from tests.builders.evaluation.labelled import person_at

AREA_PX2 = 10_000.0
LEFT_WRIST, RIGHT_WRIST, NOSE = 9, 10, 0
WRIST_SIGMA = 0.062


def truth(*people: np.ndarray, area: float = AREA_PX2) -> PictureTruth:
    return PictureTruth(np.stack(people).astype(np.float64), np.full(len(people), area))


def wrist_distance(similarity: float) -> float:
    """Pixels at which a wrist of a person of 10,000 px^2 has that similarity."""
    return math.sqrt(-2 * AREA_PX2 * (2 * WRIST_SIGMA) ** 2 * math.log(similarity))


def moved(person: np.ndarray, joint: int, to: np.ndarray) -> np.ndarray:
    points = person[:, :2].astype(np.float64).copy()
    points[joint] = to
    return points


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        (0.99, JointError.GOOD),
        (0.851, JointError.GOOD),
        (0.849, JointError.JITTER),
        (0.501, JointError.JITTER),
        (0.499, JointError.MISS),
        (0.01, JointError.MISS),
    ],
)
def test_a_wrist_away_from_everything_is_judged_by_its_distance(
    similarity: float, expected: JointError
) -> None:
    me = person_at(0, 0, 300)
    # Straight down from the lowest row: no other wrist comes nearer.
    me[LEFT_WRIST, :2] = (150, 2000)
    found = moved(me, LEFT_WRIST, np.array([150, 2000 + wrist_distance(similarity)]))
    verdicts = joint_verdicts(found, truth(me), 0, COCO_17)
    assert verdicts.errors[LEFT_WRIST] is expected
    assert verdicts.similarity[LEFT_WRIST] == pytest.approx(similarity)
    others = {error for j, error in enumerate(verdicts.errors) if j != LEFT_WRIST}
    assert others == {JointError.GOOD}


def test_wrists_exchanged_are_two_inversions() -> None:
    me = person_at(0, 0, 300)
    found = me[:, :2].astype(np.float64)
    found[[LEFT_WRIST, RIGHT_WRIST]] = found[[RIGHT_WRIST, LEFT_WRIST]]
    errors = joint_verdicts(found, truth(me), 0, COCO_17).errors
    assert errors[LEFT_WRIST] is errors[RIGHT_WRIST] is JointError.INVERSION
    assert errors.count(JointError.GOOD) == 15


@pytest.mark.parametrize("taken", [LEFT_WRIST, RIGHT_WRIST])
def test_a_wrist_on_somebody_elses_wrist_of_either_side_is_a_swap(taken: int) -> None:
    me, other = person_at(0, 0, 300), person_at(1000, 0, 300)
    found = moved(me, LEFT_WRIST, other[taken, :2])
    errors = joint_verdicts(found, truth(other, me), 1, COCO_17).errors
    assert errors[LEFT_WRIST] is JointError.SWAP
    assert errors.count(JointError.GOOD) == 16


def test_a_wrist_on_somebody_elses_elbow_is_a_miss() -> None:
    me, other = person_at(0, 0, 300), person_at(1000, 0, 300)
    found = moved(me, LEFT_WRIST, other[7, :2])
    other[[LEFT_WRIST, RIGHT_WRIST], :2] += 2000
    assert joint_verdicts(found, truth(me, other), 0, COCO_17).errors[LEFT_WRIST] is JointError.MISS


def test_a_nose_has_no_other_side_to_be_inverted_with() -> None:
    me = person_at(0, 0, 300)
    me[:, 2] = 0
    me[NOSE] = (500, 500, 2)
    reach = math.sqrt(-2 * AREA_PX2 * (2 * 0.026) ** 2 * math.log(0.6))
    found = moved(me, NOSE, np.array([500 + reach, 500]))
    errors = joint_verdicts(found, truth(me), 0, COCO_17).errors
    assert errors[NOSE] is JointError.JITTER


def test_unlabelled_joints_are_not_judged_and_attract_nobody() -> None:
    me, other = person_at(0, 0, 300), person_at(1000, 0, 300)
    me[NOSE, 2] = 0
    other[LEFT_WRIST, 2] = 0
    other[RIGHT_WRIST, 2] = 0
    found = moved(me, LEFT_WRIST, other[LEFT_WRIST, :2])
    errors = joint_verdicts(found, truth(me, other), 0, COCO_17).errors
    assert errors[NOSE] is None
    assert errors[LEFT_WRIST] is JointError.MISS


def test_another_persons_size_decides_how_near_a_swap_must_be() -> None:
    me, other = person_at(0, 0, 300), person_at(1000, 0, 300)
    found = moved(me, LEFT_WRIST, other[LEFT_WRIST, :2] + [0, 5])
    near = PictureTruth(np.stack([me, other]).astype(np.float64), np.array([AREA_PX2, AREA_PX2]))
    tiny = PictureTruth(near.keypoints, np.array([AREA_PX2, 100.0]))
    assert joint_verdicts(found, near, 0, COCO_17).errors[LEFT_WRIST] is JointError.SWAP
    assert joint_verdicts(found, tiny, 0, COCO_17).errors[LEFT_WRIST] is JointError.MISS


def test_corrected_joints_lie_where_the_paper_puts_them() -> None:
    me, other = person_at(0, 0, 300), person_at(1000, 0, 300)
    reach = wrist_distance(0.7)
    found = moved(me, LEFT_WRIST, other[LEFT_WRIST, :2] + [0, reach])  # a swap, 0.7 alike
    found[RIGHT_WRIST] += [0, 900]  # a miss
    verdicts = joint_verdicts(found, truth(me, other), 0, COCO_17)
    assert verdicts.errors[LEFT_WRIST] is JointError.SWAP
    fixed = corrected(found, verdicts, truth(me), set(JointError), COCO_17)
    assert np.hypot(*(fixed[LEFT_WRIST] - me[LEFT_WRIST, :2])) == pytest.approx(reach)
    assert np.hypot(*(fixed[RIGHT_WRIST] - me[RIGHT_WRIST, :2])) == pytest.approx(
        wrist_distance(0.5)
    )


def test_only_the_kinds_asked_for_are_corrected() -> None:
    me = person_at(0, 0, 300)
    found = me[:, :2].astype(np.float64)
    found[[LEFT_WRIST, RIGHT_WRIST]] = found[[RIGHT_WRIST, LEFT_WRIST]]
    verdicts = joint_verdicts(found, truth(me), 0, COCO_17)
    kept = corrected(found, verdicts, truth(me), {JointError.MISS}, COCO_17)
    np.testing.assert_array_equal(kept, found)
    fixed = corrected(found, verdicts, truth(me), {JointError.INVERSION}, COCO_17)
    np.testing.assert_allclose(fixed, me[:, :2], atol=1e-9)


def test_fourteen_joints_are_judged_as_well() -> None:
    me = person_at(0, 0, 300, CROWDPOSE_14)
    found = me[CROWDPOSE_14.flip_order(), :2].astype(np.float64)
    errors = joint_verdicts(found, truth(me), 0, CROWDPOSE_14).errors
    assert errors.count(JointError.INVERSION) == 12
    assert errors.count(JointError.GOOD) == 2


@given(
    similarity=st.floats(0.01, 0.999),
    angle=st.floats(0, 2 * math.pi),
    area=st.floats(500, 1e6),
)
def test_joints_of_a_lone_person_moved_by_any_distance_get_the_right_name(
    similarity: float, angle: float, area: float
) -> None:
    me = person_at(0, 0, 1e5)  # so large that no other joint is near
    step = distance_at(np.full(17, similarity), area, COCO_17)[:, None]
    found = me[:, :2].astype(np.float64) + step * [math.cos(angle), math.sin(angle)]
    errors = set(joint_verdicts(found, truth(me, area=area), 0, COCO_17).errors)
    if min(abs(similarity - 0.5), abs(similarity - 0.85)) > 1e-6:
        name = "good" if similarity > 0.85 else "jitter" if similarity > 0.5 else "miss"
        assert errors == {JointError(name)}


@given(st.integers(0, 2**32 - 1))
def test_every_labelled_joint_gets_exactly_one_name_and_correcting_leaves_only_small_errors(
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    people = random.uniform(0, 300, (3, 17, 3))
    people[..., 2] = random.integers(0, 2, (3, 17))
    picture = PictureTruth(people, random.uniform(500, 20_000, 3))
    found = random.uniform(0, 300, (17, 2))
    verdicts = joint_verdicts(found, picture, 1, COCO_17)
    assert [error is not None for error in verdicts.errors] == (people[1, :, 2] > 0).tolist()
    own = PictureTruth(people[1:2], picture.areas_px2[1:2])
    fixed = corrected(found, verdicts, own, set(JointError) - {JointError.GOOD}, COCO_17)
    alone = joint_verdicts(fixed, own, 0, COCO_17)
    labelled = people[1, :, 2] > 0
    assert (alone.similarity[labelled] >= 0.5 - 1e-9).all()
