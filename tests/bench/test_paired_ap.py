import numpy as np
import pytest

from tests.bench.paired_ap import average_precision, interval


def test_ap_of_perfect_poses_is_one_and_of_useless_ones_zero() -> None:
    scores = np.linspace(0.1, 1, 20)
    assert average_precision(np.ones(20), scores) == pytest.approx(1)
    assert average_precision(np.zeros(20), scores) == 0


def test_ap_follows_coco_worked_by_hand() -> None:
    # Best first: right, wrong, right. Recall 1/3 at precision 1, 2/3 at 2/3, more is not reached.
    oks, scores = np.array([0.96, 0.1, 0.96]), np.array([0.9, 0.8, 0.7])
    assert average_precision(oks, scores) == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)


def test_the_interval_holds_a_sure_gain_and_no_gain_of_equals() -> None:
    random = np.random.default_rng(0)
    oks, scores = random.uniform(0.4, 0.9, 200), random.uniform(size=200)
    low, high = interval((oks, scores), (oks + 0.05, scores), 100)
    assert 0 < low < high
    assert interval((oks, scores), (oks, scores), 10) == (0, 0)
