import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.shape_buckets import Ride, checked_buckets, rides
from stream.errors import ConfigError

BUCKETS = st.lists(st.integers(1, 64), min_size=1, max_size=4)


@given(st.integers(0, 200), BUCKETS)
def test_every_row_rides_exactly_once_and_in_order(batch: int, buckets: list[int]) -> None:
    rows = [row for ride in rides(batch, buckets) for row in range(ride.start, ride.stop)]
    assert rows == list(range(batch))


@given(st.integers(1, 200), BUCKETS)
def test_a_ride_fits_its_bucket_and_only_the_last_is_padded(batch: int, buckets: list[int]) -> None:
    *full, last = rides(batch, buckets)
    assert all(ride.padding == 0 for ride in full)
    assert last.bucket in buckets
    assert 0 <= last.padding < last.bucket


def test_the_rest_takes_the_smallest_bucket_that_holds_it() -> None:
    assert list(rides(11, (1, 4, 8))) == [Ride(0, 8, 8), Ride(8, 11, 4)]


def test_sizes_are_sorted_and_each_is_kept_once() -> None:
    assert checked_buckets([8, 1, 8]) == (1, 8)


@pytest.mark.parametrize("buckets", [(), (0,), (-1, 4), (5000,)])
def test_batch_sizes_that_make_no_sense_are_refused(buckets: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="batch sizes: expected one or more of 1 to"):
        checked_buckets(buckets)
