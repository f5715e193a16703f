import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.stage_times import StageTimes


@given(st.lists(st.floats(1e-6, 3000), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_its_bucket_of_the_exact_one(
    seconds: list[float], share: float
) -> None:
    times = StageTimes()
    for duration in seconds:
        times.add(duration)

    rank = max(1, -int(-share * len(seconds) // 1))
    exact = sorted(seconds)[rank - 1]

    assert times.quantile_seconds(share) == pytest.approx(exact, rel=0.03)
    assert times.count == len(seconds)
    assert times.total_seconds == pytest.approx(sum(seconds))


def test_there_is_no_quantile_of_nothing() -> None:
    assert StageTimes().quantile_seconds(0.5) is None


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_durations_outside_the_buckets_are_counted_at_the_ends(seconds: float) -> None:
    times = StageTimes()

    times.add(seconds)

    assert times.count == 1
    assert times.quantile_seconds(0.5) is not None
