from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.sinks.video_timeline import VideoTimeline

times = st.lists(st.tuples(st.integers(0, 3), st.floats(-10, 1e5)), max_size=60)


@given(times)
def test_time_only_goes_forward_whatever_the_frames_say(frames: list[tuple[int, float]]) -> None:
    timeline = VideoTimeline()
    ticks = [timeline.ticks(epoch, pts_seconds) for epoch, pts_seconds in frames]
    assert all(later > earlier for earlier, later in pairwise(ticks))
    assert min(ticks, default=0) >= 0


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=60))
def test_rising_times_are_kept_to_the_tick(steps: list[int]) -> None:
    timeline, at = VideoTimeline(), 0
    for step in steps:
        at += step
        assert timeline.ticks(0, at / 90_000) == at


def test_a_new_epoch_follows_at_the_distance_of_the_last_two_frames() -> None:
    timeline = VideoTimeline()
    frames = [(0, 0.0), (0, 0.1), (1, 700.0), (1, 700.5), (2, 0.0)]
    assert [timeline.ticks(*frame) for frame in frames] == [0, 9_000, 18_000, 63_000, 108_000]


def test_the_step_is_what_the_last_frame_took() -> None:
    timeline = VideoTimeline()
    timeline.ticks(0, 0.0)
    assert timeline.step == 3_600
    timeline.ticks(0, 0.2)
    assert timeline.step == 18_000
