from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stream.fleet.frame_schedule import FrameSchedule, WaitingFrame
from stream.frame import Frame
from tests.run_parts import small_picture

PICTURE = small_picture()


def waiting(stream: str, index: int, now: float, target: float = 0.25) -> WaitingFrame:
    return WaitingFrame(Frame(stream, 0, index, now, now, PICTURE), now, now + target)


def names(batch: tuple[Frame, ...] | None) -> list[tuple[str, int]]:
    return [(frame.stream, frame.index) for frame in batch or ()]


def known(schedule: FrameSchedule, stream: str) -> None:
    """The stream was there before, so that others may wait for it."""
    schedule.offer(waiting(stream, 99, 0.0))
    assert schedule.drop_stale(99.0)


def test_a_newer_frame_takes_the_place_of_the_one_that_waits() -> None:
    schedule = FrameSchedule(2, 0.0, 9.0)
    assert schedule.offer(waiting("a", 0, 0.0)) is None
    overtaken = schedule.offer(waiting("a", 1, 0.1))
    assert overtaken is not None
    assert overtaken.frame.index == 0
    assert names(schedule.take(0.1)) == [("a", 1)]
    assert len(schedule) == 0


def test_a_batch_goes_when_it_is_full_or_its_first_frame_is_due() -> None:
    schedule = FrameSchedule(2, 0.5, 9.0)
    known(schedule, "b")
    schedule.offer(waiting("a", 0, 0.0))
    assert schedule.take(0.0) is None
    assert schedule.due_seconds() == 0.5
    schedule.offer(waiting("b", 0, 0.2))
    assert names(schedule.take(0.2)) == [("a", 0), ("b", 0)]
    schedule.offer(waiting("a", 1, 1.0))
    assert schedule.take(1.0) is None
    assert names(schedule.take(1.5)) == [("a", 1)]


def test_a_frame_does_not_wait_if_there_is_no_other_stream_to_wait_for() -> None:
    schedule = FrameSchedule(4, 0.5, 9.0)
    for name in ("a", "b"):
        schedule.offer(waiting(name, 0, 0.0))
    assert names(schedule.take(0.0)) == [("a", 0), ("b", 0)]
    schedule.remove("b")
    schedule.offer(waiting("a", 1, 0.1))
    assert names(schedule.take(0.1)) == [("a", 1)]


def test_a_stream_has_one_frame_in_a_batch() -> None:
    schedule = FrameSchedule(4, 0.5, 9.0)
    known(schedule, "b")
    schedule.offer(waiting("a", 0, 0.0))
    assert schedule.take(0.0) is None
    schedule.offer(waiting("a", 1, 0.1))
    assert schedule.take(0.1) is None
    assert len(schedule) == 2
    assert names(schedule.take(0.5)) == [("a", 0)]
    assert schedule.take(0.5) is None
    assert names(schedule.take(1.0)) == [("a", 1)]


def test_of_two_that_were_served_alike_the_one_that_is_due_first_goes_first() -> None:
    schedule = FrameSchedule(1, 0.0, 9.0)
    schedule.offer(waiting("slow", 0, 0.0, target=2.0))
    schedule.offer(waiting("quick", 0, 0.1, target=0.2))
    assert names(schedule.take(0.2)) == [("quick", 0)]


def test_a_frame_that_waited_too_long_is_dropped() -> None:
    schedule = FrameSchedule(1, 0.0, 2.0)
    schedule.offer(waiting("a", 0, 0.0))
    schedule.offer(waiting("b", 0, 1.0))
    assert [one.frame.stream for one in schedule.drop_stale(2.0)] == ["a"]
    assert names(schedule.take(2.0)) == [("b", 0)]


def test_a_stream_that_was_silent_saved_up_no_turns() -> None:
    schedule = FrameSchedule(1, 0.0, 1e9)
    for index in range(100):
        schedule.offer(waiting("busy", index, float(index)))
        schedule.take(float(index))
    order = []
    for index in range(10):
        schedule.offer(waiting("busy", 100 + index, 100.0))
        schedule.offer(waiting("late", index, 100.0))
        order += [name for name, _ in names(schedule.take(100.0))]
    assert max(Counter(order).values()) <= 6


def test_a_removed_stream_leaves_nothing_behind() -> None:
    schedule = FrameSchedule(4, 0.0, 9.0)
    for number in range(10_000):
        schedule.offer(waiting(f"s{number}", 0, 0.0))
        assert len(schedule.remove(f"s{number}")) == 1
    assert len(schedule) == 0
    assert not schedule._served


PERIODS = st.lists(st.sampled_from([1, 2, 3, 7, 12]), min_size=2, max_size=8)


@given(PERIODS, st.integers(1, 4), st.integers(2, 6))
def test_shares_are_fair_whatever_each_stream_sends(
    periods: list[int], size: int, engine_period: int
) -> None:
    """Each stream gets what it asks for or its equal share, to within two frames."""
    schedule = FrameSchedule(size, 0.0, 1e9)
    served, offered, lost = Counter[str](), Counter[str](), Counter[str]()
    ticks = 600
    for now in range(ticks):
        for number, period in enumerate(periods):
            if now % period == 0:
                offered[f"s{number}"] += 1
                overtaken = schedule.offer(waiting(f"s{number}", now, float(now)))
                lost[f"s{number}"] += overtaken is not None
        if now % engine_period == 0:
            served.update(name for name, _ in names(schedule.take(float(now))))
    for stream, count in offered.items():
        assert count - served[stream] - lost[stream] in (0, 1)
    hungry = [stream for stream in offered if lost[stream] > offered[stream] * 0.2]
    counts = [served[stream] for stream in hungry]
    if len(hungry) > 1:
        sated = [served[s] for s in offered if s not in hungry]
        assert min(counts) >= max(sated, default=0) - 2 - ticks // engine_period * 0.2
