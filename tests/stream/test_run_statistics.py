import pytest

from stream.clock import ManualClock
from stream.frame import FrameResult, Outcome
from stream.pose import TrackedPose
from stream.run_statistics import RunStatistics
from tests.run_parts import MadeUpEstimator, small_frame


def result(index: int, *tracks: int, epoch: int = 0) -> FrameResult:
    frame = small_frame(index, epoch=epoch)
    pose = MadeUpEstimator().estimate([frame])[0].poses[0]
    people = tuple(TrackedPose(track, pose) for track in tracks)
    return FrameResult(frame, Outcome.INFERRED, "made_up", people)


def counted(*results: FrameResult, seconds_each: float = 0.0) -> RunStatistics:
    clock = ManualClock()
    statistics = RunStatistics(clock)
    for one in results:
        statistics.frame_read(one.frame)
        clock.advance(seconds_each)
        statistics.published(one)
    return statistics


def test_people_now_are_those_of_the_newest_inferred_frame() -> None:
    skipped = FrameResult(small_frame(2), Outcome.SKIPPED, "made_up")

    statistics = counted(result(0, 1), result(1, 1, 2), skipped)

    assert statistics.people_now == 2
    assert statistics.poses == 3


def test_tracks_of_all_epochs_add_up() -> None:
    statistics = counted(result(0, 1, 4), result(1), result(0, 2, epoch=1), result(0, epoch=2))

    assert statistics.tracks == 6


def test_the_realtime_factor_compares_media_time_with_run_time() -> None:
    statistics = counted(*map(result, range(26)), seconds_each=0.02)

    assert statistics.media_seconds == pytest.approx(1.0)
    assert statistics.run_seconds == pytest.approx(0.52)
    assert statistics.realtime_factor == pytest.approx(1 / 0.52)
    assert statistics.frames_per_second == pytest.approx(50)


def test_media_time_of_several_epochs_adds_up() -> None:
    statistics = counted(*(result(index, epoch=epoch) for epoch in (0, 1) for index in range(26)))

    assert statistics.media_seconds == pytest.approx(2.0)


def test_nothing_read_gives_zeros_and_not_an_error() -> None:
    statistics = counted()

    assert statistics.frames_per_second == 0
    assert statistics.realtime_factor == 0
    assert statistics.run_seconds == 0
