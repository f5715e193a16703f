from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.fleet.frame_rate_cap import FrameRateCap, spread_phase

STEPS = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=200)


def admitted(cap: FrameRateCap, times: list[float]) -> list[float]:
    return [time for time in times if cap.admits(time)]


def test_without_a_cap_everything_is_admitted() -> None:
    assert admitted(FrameRateCap(None), [0.0, 0.0, 0.1]) == [0.0, 0.0, 0.1]


@pytest.mark.parametrize("max_fps", [1, 2, 7.5, 15, 30])
def test_a_steady_camera_gives_just_so_many_a_second(max_fps: float) -> None:
    times = [100.3 + index / 30 for index in range(30 * 20)]
    assert len(admitted(FrameRateCap(max_fps), times)) == pytest.approx(20 * max_fps, abs=2)


def test_a_camera_as_fast_as_the_cap_loses_nothing_to_jitter() -> None:
    times = [index / 25 + (0.01 if index % 3 else -0.01) for index in range(500)]
    assert len(admitted(FrameRateCap(25), times)) >= 498


@given(st.floats(0.1, 60), st.floats(0, 0.99), STEPS)
def test_no_span_of_time_holds_more_than_its_share_and_two(
    max_fps: float, phase: float, steps: list[float]
) -> None:
    now, times = 50.0, []
    for step in steps:
        now += step
        times.append(now)
    chosen = admitted(FrameRateCap(max_fps, phase), times)
    assert chosen[0] == times[0]
    for start in range(len(chosen)):
        for end in range(start + 1, len(chosen)):
            assert end - start + 1 <= (chosen[end] - chosen[start]) * max_fps + 2 + 1e-6


def test_streams_with_one_cap_take_turns() -> None:
    """Sixteen cameras at 2 a second: no instant at which many frames come at once."""
    caps = [FrameRateCap(2, spread_phase(number)) for number in range(16)]
    later = []
    for cap in caps:
        later += [time % 0.5 for time in admitted(cap, [n / 100 for n in range(1000)])[3:4]]
    later.sort()
    gaps = [after - before for before, after in pairwise(later)]
    assert max(gaps) <= 0.06
    assert min(gaps) >= 0.01
