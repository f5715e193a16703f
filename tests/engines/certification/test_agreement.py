import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.artefact import AgreementLimits
from engines.certification.agreement import Agreement, Candidates, compare
from engines.certification.certificate import Judgement, judge
from stream.skeleton import COCO_17
from tests.tiny_model import pose_at

MIN_SCORE = 0.4


def people(*found: tuple[float, float, float]) -> Candidates:
    """Poses at (x, y) with a score."""
    keypoints = [pose_at(x, y, 255) for x, y, _ in found]
    return Candidates(
        np.array(keypoints, np.float32).reshape(len(found), 17, 3),
        np.array([score for *_, score in found], np.float32),
    )


def compared(reference: Candidates, found: Candidates) -> Agreement:
    return compare([reference], [found], min_score=MIN_SCORE, sigmas=COCO_17.sigmas)


def test_the_same_people_agree() -> None:
    some = people((10, 20, 0.9), (200, 20, 0.8))
    found = compared(some, some)
    assert (found.people, found.missed, found.extra) == (2, 0, 0)
    assert found.mean_px == found.worst_px == 0
    assert found.mean_oks == pytest.approx(1)


@given(st.floats(0, 3), st.floats(0, 3))
def test_a_shift_is_measured_in_pixels(x: float, y: float) -> None:
    found = compared(people((10, 20, 0.9)), people((10 + x, 20 + y, 0.9)))
    assert found.mean_px == pytest.approx(np.hypot(x, y), abs=1e-3)
    assert found.worst_px == pytest.approx(np.hypot(x, y), abs=1e-3)
    assert 0 < found.mean_oks <= 1.0001


def test_who_is_not_there_is_missed_and_who_is_new_is_extra() -> None:
    one, other = people((10, 20, 0.9)), people((400, 20, 0.9))
    found = compared(one, other)
    assert (found.people, found.missed, found.extra) == (1, 1, 1)


def test_a_person_at_the_border_is_no_disagreement() -> None:
    strong, weak = people((10, 20, 0.41)), people((10, 20, 0.39))
    for one, other in ((strong, weak), (weak, strong)):
        found = compared(one, other)
        assert (found.missed, found.extra) == (0, 0)
    assert compared(weak, strong).people == 0


def test_joints_that_the_reference_does_not_see_are_left_out() -> None:
    one, other = people((10, 20, 0.9)), people((10, 20, 0.9))
    one.keypoints[0, 3, 2] = 0.1
    other.keypoints[0, 3, :2] += 50
    assert compared(one, other).worst_px == 0


def test_a_joint_that_took_another_place_is_far() -> None:
    one, other = people((10, 20, 0.9)), people((10, 20, 0.9))
    other.keypoints[0, 3, :2] += 50
    assert compared(one, other).far_share == pytest.approx(1 / 17)


def test_nobody_on_either_side_is_no_people() -> None:
    found = compared(people(), people())
    assert (found.people, found.missed, found.extra, found.mean_px) == (0, 0, 0, 0)


def agreement(**changes: float) -> Agreement:
    figures = {
        "people": 20, "missed": 0, "extra": 0, "mean_px": 0.1, "p95_px": 0.2, "worst_px": 3,
        "far_share": 0, "mean_oks": 0.99, "worst_oks": 0.9,
    }  # fmt: skip
    return Agreement(**(figures | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mean_px": 1.2}, "mean_px 1.200, at most 1 allowed"),
        ({"far_share": 0.1}, "far_share 0.100, at most 0.05 allowed"),
        ({"mean_oks": 0.9}, "mean_oks 0.900, at least 0.95 allowed"),
        ({"mean_oks": float("nan")}, "mean_oks nan, at least 0.95 allowed"),
        ({"missed": 1}, "missed_share 0.050, at most 0.03 allowed"),
        ({"extra": 2}, "extra_share 0.100, at most 0.03 allowed"),
    ],
)
def test_each_broken_limit_is_told(changes: dict[str, float], reason: str) -> None:
    assert judge(agreement(**changes), AgreementLimits()) == (Judgement.FAILED, (reason,))


def test_figures_within_all_limits_pass() -> None:
    assert judge(agreement(), AgreementLimits()) == (Judgement.PASSED, ())


def test_too_few_people_say_nothing() -> None:
    verdict, [reason] = judge(agreement(people=4, mean_px=9), AgreementLimits())
    assert verdict is Judgement.INCONCLUSIVE
    assert reason == "4 people in the pictures, needs 5"
