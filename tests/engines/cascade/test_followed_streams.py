"""When each stream is searched for people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.cascade.first_stage import PeopleSoFar
from engines.cascade.followed_streams import FollowedStreams, search_phase
from stream.frame import Frame
from stream.picture import black_picture

PICTURE = black_picture(64, 48)
NOBODY = PeopleSoFar(
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.float32),
    np.zeros((0, 17, 3), np.float32),
    np.zeros(0, np.float32),
)


def searches(streams: list[str], detect_every: int, gap_before: int = -1) -> list[list[str]]:
    """Who is searched in each of 24 batches, one frame of every stream in a batch."""
    followed, found = FollowedStreams(detect_every), []
    for index in range(24):
        seconds = 0.04 * index + 60.0 * (gap_before >= 0 and index >= gap_before)
        frames = [Frame(name, 0, index, seconds, 0.0, PICTURE) for name in streams]
        found.append([frame.stream for frame in frames if followed.is_due(frame)])
        for frame in frames:
            followed.follow(frame, NOBODY, ())
    return found


def test_cameras_take_turns_to_be_searched() -> None:
    cameras = [f"cam{number}" for number in range(1, 9)]
    loads = [len(batch) for batch in searches(cameras, 4)]
    assert loads == [8] + [2] * 23


@pytest.mark.parametrize("detect_every", [2, 3, 5, 8])
def test_sixteen_cameras_are_never_searched_all_at_once_but_at_the_start(
    detect_every: int,
) -> None:
    cameras = [f"cam{number:02}" for number in range(1, 17)]
    loads = [len(batch) for batch in searches(cameras, detect_every)]
    assert loads[0] == 16
    assert max(loads[1:]) <= 16 / detect_every + 1
    assert min(loads[1:]) >= 16 / detect_every - 2


def test_streams_that_come_back_together_take_turns_again() -> None:
    cameras = [f"cam{number}" for number in range(1, 9)]
    loads = [len(batch) for batch in searches(cameras, 4, gap_before=10)]
    assert loads == [8] + [2] * 9 + [8] + [2] * 13


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True), st.integers(1, 9))
def test_each_stream_is_searched_as_if_it_were_alone_and_every_so_many_frames(
    streams: list[str], detect_every: int
) -> None:
    together = searches(streams, detect_every)
    for name in streams:
        turns = [index for index, batch in enumerate(together) if name in batch]
        assert turns == [i for i, batch in enumerate(searches([name], detect_every)) if batch]
        second = detect_every - search_phase(name, detect_every)
        assert turns == [0, *range(second, 24, detect_every)]
