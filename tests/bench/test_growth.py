import numpy as np
import pytest

from tests.bench.growth import fitted

PLACES = list(range(200))


def test_a_line_is_found_as_it_is() -> None:
    found = fitted(PLACES, [5 + 3 * x for x in PLACES])
    assert (found.slope, found.low, found.high) == pytest.approx((3, 3, 3))
    assert found.is_proven


def test_what_stays_does_not_grow() -> None:
    assert not fitted(PLACES, [7] * 200).is_proven


def test_a_slope_beyond_the_noise_is_proven() -> None:
    noise = np.random.default_rng(1).normal(size=200)
    found = fitted(PLACES, noise + np.arange(200) * 0.05)
    assert found.is_proven
    assert found.low < 0.05 < found.high


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_the_truth_lies_within_in_about_95_of_100(memory: float) -> None:
    random = np.random.default_rng(2)
    within = 0
    for _ in range(400):
        values = random.normal(size=200)
        for place in range(1, 200):
            values[place] += memory * values[place - 1]
        found = fitted(PLACES, values)
        within += found.low <= 0 <= found.high
    assert within >= 0.9 * 400


def test_few_samples_that_hang_together_prove_nothing() -> None:
    assert not fitted(range(4), [1, 2, 3, 4]).is_proven
    assert not fitted([1], [1]).is_proven
    assert not fitted(range(100), np.arange(100) ** 2).is_proven
