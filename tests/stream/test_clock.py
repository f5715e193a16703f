import pytest

from stream.clock import ManualClock, SystemClock


def test_the_machines_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


def test_the_machines_wall_clock_counts_from_1970() -> None:
    """Any time since this was written, and before the year 2200."""
    assert 1_780_000_000 < SystemClock().wall() < 7_260_000_000


def test_a_manual_clock_stands_still_until_told() -> None:
    clock = ManualClock(monotonic=5.0, wall=100.0)
    assert [clock.monotonic(), clock.monotonic(), clock.wall(), clock.wall()] == [5, 5, 100, 100]

    clock.advance(2.5)
    assert (clock.monotonic(), clock.wall()) == (7.5, 102.5)

    clock.advance(0)
    assert (clock.monotonic(), clock.wall()) == (7.5, 102.5)


def test_a_manual_clock_refuses_to_go_back() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        ManualClock().advance(-0.1)
