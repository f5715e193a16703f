from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.ingest.frame_timeline import (
    JITTER_SECONDS,
    LIVE_GAP_SECONDS,
    FrameTime,
    FrameTimeline,
    TimeJump,
)

STEP = Fraction(1, 25)
SECONDS = st.one_of(st.none(), st.fractions(-100, 100, max_denominator=90_000))


def placed(seconds: list[Fraction | int | None], *, is_live: bool = False) -> list[FrameTime]:
    timeline = FrameTimeline(STEP, is_live=is_live)
    return [timeline.place(None if s is None else Fraction(s)) for s in seconds]


def names(frames: list[FrameTime]) -> list[tuple[int, int]]:
    return [(frame.epoch, frame.index) for frame in frames]


def times(frames: list[FrameTime]) -> list[float]:
    return [frame.pts_seconds for frame in frames]


def test_times_of_a_file_are_kept_as_they_are() -> None:
    frames = placed([Fraction(1, 30), Fraction(2, 30), 7])
    assert times(frames) == [1 / 30, 2 / 30, 7.0]
    assert names(frames) == [(0, 0), (0, 1), (0, 2)]


def test_times_of_a_live_stream_count_from_its_first_frame() -> None:
    assert times(placed([1000, 1001, 1003], is_live=True)) == [0.0, 1.0, 3.0]


def test_a_missing_time_follows_by_one_step() -> None:
    assert times(placed([None, None, Fraction(1, 5), None])) == pytest.approx([0, 0.04, 0.2, 0.24])


def test_a_live_stream_whose_first_frames_lack_times_has_no_jump() -> None:
    frames = placed([None, None, 500, 501], is_live=True)
    assert times(frames) == pytest.approx([0, 0.04, 0.08, 1.08])
    assert {frame.epoch for frame in frames} == {0}


def test_a_small_step_back_makes_time_wait() -> None:
    frames = placed([1, 2, 2 - Fraction(JITTER_SECONDS), 3])
    assert times(frames) == [1, 2, 2, 3]
    assert {frame.epoch for frame in frames} == {0}


@pytest.mark.parametrize("is_live", [False, True])
def test_a_jump_back_starts_a_new_epoch_at_zero(is_live: bool) -> None:
    frames = placed([0, 5, 5 - Fraction(JITTER_SECONDS) - STEP, 5], is_live=is_live)
    assert names(frames) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert times(frames) == pytest.approx([0, 5, 0, 1.04])


def test_a_leap_forward_starts_a_new_epoch_of_a_live_stream_only() -> None:
    leap: list[Fraction | int | None] = [0, 1, 1 + Fraction(LIVE_GAP_SECONDS) + STEP]
    assert names(placed(leap, is_live=True))[-1] == (1, 0)
    assert names(placed(leap, is_live=False))[-1] == (0, 2)
    assert names(placed([0, 1, 1 + LIVE_GAP_SECONDS], is_live=True))[-1] == (0, 2)


def test_many_steps_do_not_drift() -> None:
    assert times(placed([None] * 90_001))[-1] == 3600.0


@given(st.lists(SECONDS, max_size=60), st.booleans())
def test_frames_are_counted_and_time_never_goes_back_within_an_epoch(
    seconds: list[Fraction | int | None], is_live: bool
) -> None:
    frames = placed(seconds, is_live=is_live)

    assert len(frames) == len(seconds)
    assert all(frame.pts_seconds >= 0 for frame in frames)
    for before, after in pairwise(frames):
        if after.epoch == before.epoch:
            assert after.index == before.index + 1
            assert after.pts_seconds >= before.pts_seconds
        else:
            assert (after.epoch, after.index, after.pts_seconds) == (before.epoch + 1, 0, 0.0)


@pytest.mark.parametrize("bits", [32, 33])
def test_a_full_counter_that_begins_again_is_a_wrap(bits: int) -> None:
    full = Fraction(2**bits, 90_000)
    frames = placed([full - STEP * 2, full - STEP, 0, STEP], is_live=True)
    assert names(frames) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [frame.jump for frame in frames] == [None, None, TimeJump.WRAP, None]


@pytest.mark.parametrize(("after", "jump"), [(2, TimeJump.BACK), (5 + 11, TimeJump.FORWARD)])
def test_a_jump_has_a_name(after: int, jump: TimeJump) -> None:
    assert placed([0, 5, after], is_live=True)[-1].jump is jump


def test_a_clock_that_is_set_starts_an_epoch_of_a_live_stream() -> None:
    timeline = FrameTimeline(STEP, is_live=True)
    offsets = [100.0, 100.01, 103.0, 103.0, 40.0]
    frames = [timeline.place(n * STEP, offset) for n, offset in enumerate(offsets)]
    assert [frame.jump for frame in frames] == [None, None, TimeJump.CLOCK, None, TimeJump.CLOCK]
    assert names(frames) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert times(frames) == pytest.approx([0, 0.04, 0, 0.04, 0])


def test_a_clock_that_drifts_starts_none() -> None:
    timeline = FrameTimeline(STEP, is_live=True)
    frames = [timeline.place(n * STEP, 100 + n * 0.4) for n in range(20)]
    assert {frame.epoch for frame in frames} == {0}


def test_a_file_does_not_mind_the_clock() -> None:
    timeline = FrameTimeline(STEP, is_live=False)
    assert [timeline.place(n * STEP, 1000.0 * n).epoch for n in range(3)] == [0, 0, 0]
