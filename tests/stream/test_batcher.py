from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.batcher import Batcher
from stream.errors import ConfigError
from stream.frame import Frame, FrameBatch
from tests.run_parts import small_picture

STREAMS = "abc"
PICTURE = small_picture()

arrivals = st.lists(
    st.tuples(st.sampled_from(STREAMS), st.floats(0, 0.5, allow_subnormal=False)), max_size=40
)
"""(stream, seconds since the frame before) of frames as they come."""


def frame(stream: str, index: int) -> Frame:
    return Frame(stream, 0, index, index / 25, 0.0, PICTURE)


def name(found: Frame) -> tuple[str, int]:
    return found.stream, found.index


def driven(
    batcher: Batcher, comings: list[tuple[str, float]]
) -> tuple[list[Frame], list[tuple[float, FrameBatch]]]:
    """Frames in, (time, batch) out, of somebody who wakes at every deadline as the runner does."""
    now, batches, frames = 0.0, [], []
    for index, (stream, wait) in enumerate(comings):
        due = batcher.due_seconds()
        if due is not None and due <= now + wait:
            batches.append((due, batcher.poll(due)))
        now += wait
        frames.append(frame(stream, index))
        batches.append((now, batcher.offer(frames[-1], now)))
    batches.append((now, batcher.flush()))
    return frames, [(time, batch) for time, batch in batches if batch is not None]


@given(arrivals, st.integers(1, 6))
def test_every_frame_leaves_once_in_the_order_of_coming(
    comings: list[tuple[str, float]], size: int
) -> None:
    frames, batches = driven(Batcher(size, 0.2), comings)
    assert [name(one) for _, batch in batches for one in batch] == [name(one) for one in frames]


@given(arrivals, st.integers(1, 6))
def test_no_batch_is_empty_or_larger_than_asked_for(
    comings: list[tuple[str, float]], size: int
) -> None:
    _, batches = driven(Batcher(size, 0.2), comings)
    assert all(1 <= len(batch) <= size for _, batch in batches)


@given(arrivals, st.integers(2, 6), st.floats(0, 1))
def test_no_frame_waits_longer_than_the_deadline(
    comings: list[tuple[str, float]], size: int, wait: float
) -> None:
    frames, batches = driven(Batcher(size, wait), comings)
    came: dict[tuple[str, int], float] = {}
    now = 0.0
    for one, (_, gap) in zip(frames, comings, strict=True):
        now += gap
        came[name(one)] = now
    waited = [time - came[name(one)] for time, batch in batches for one in batch]
    assert all(seconds <= wait + 1e-9 for seconds in waited)


@given(arrivals, st.integers(1, 6))
def test_frames_of_one_stream_stay_in_order(comings: list[tuple[str, float]], size: int) -> None:
    _, batches = driven(Batcher(size, 0.2), comings)
    left = sorted((name(one) for _, batch in batches for one in batch), key=lambda key: key[0])
    for _, of_stream in groupby(left, key=lambda key: key[0]):
        indices = [index for _, index in of_stream]
        assert indices == sorted(indices)


def test_a_loud_stream_does_not_keep_a_quiet_one_out() -> None:
    """Who comes leaves with the batch that is being filled, however many others come."""
    batcher = Batcher(4)
    comings = [(stream, 0.0) for stream in "aabaaabaa"]
    _, batches = driven(batcher, comings)
    assert ["".join(one.stream for one in batch) for _, batch in batches] == ["aaba", "aaba", "a"]


def test_a_batch_goes_when_its_oldest_frame_is_due_and_not_before() -> None:
    batcher = Batcher(3, max_wait_seconds=0.02)
    assert batcher.due_seconds() is None
    assert batcher.poll(99.0) is None

    assert batcher.offer(frame("a", 0), 1.0) is None
    assert batcher.offer(frame("a", 1), 1.015) is None
    assert batcher.due_seconds() == pytest.approx(1.02)
    assert batcher.poll(1.0199) is None
    assert len(batcher) == 2

    batch = batcher.poll(1.02)
    assert batch is not None
    assert [one.index for one in batch] == [0, 1]
    assert len(batcher) == 0


def test_frames_of_files_wait_for_each_other_for_ever() -> None:
    batcher = Batcher(2)
    assert batcher.offer(frame("a", 0), 0.0) is None
    assert batcher.poll(1e12) is None
    assert batcher.offer(frame("a", 1), 1e12) is not None
    assert batcher.flush() is None


@pytest.mark.parametrize(("size", "wait"), [(0, 1.0), (-3, 1.0), (1, -0.1)])
def test_settings_without_meaning_are_refused(size: int, wait: float) -> None:
    with pytest.raises(ConfigError, match="batch size must be >= 1"):
        Batcher(size, wait)
