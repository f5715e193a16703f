"""A frame that nobody holds any longer is gone at once, with its megabytes."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from stream.clock import ManualClock
from stream.ingest.frame_timeline import TimeJump
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import MAX_PIXELS, open_source
from stream.ingest.pyav_source import PyavSource
from stream.ingest.video_address import file_address
from tests.media import write_video


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Reference counts alone must do."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def frames_alive() -> int:
    return sum(type(thing) is VideoFrame for thing in gc.get_objects())


def most_alive(frames: Iterable[object], every: int) -> int:
    """Looked at now and then: a look at all objects of the process takes a tenth of a second."""
    return max(frames_alive() for number, _ in enumerate(frames) if number % every == every - 1)


@pytest.mark.usefixtures("no_collector")
def test_a_video_leaves_no_frames_to_the_garbage_collector(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", frames=40)
    before = frames_alive()
    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        most = most_alive(source.frames(), 13)
    assert most - before < 10


def test_a_folder_leaves_few_pictures_to_the_garbage_collector(tmp_path: Path) -> None:
    for index in range(100):
        cv2.imwrite(str(tmp_path / f"{index}.jpg"), np.zeros((32, 32, 3), np.uint8))
    before = frames_alive()
    with closing(open_source(str(tmp_path), stream="folder", clock=ManualClock())) as source:
        most = most_alive(source.frames(), 31)
    assert most - before < 40


class SetAgainAndAgain(ManualClock):
    """A wall clock that somebody sets before every look at it."""

    def wall(self) -> float:
        """See `Clock.wall`."""
        self.advance(1.0)
        self._monotonic = 0.0
        return super().wall()


def test_jumps_of_the_clock_are_counted_and_not_collected(tmp_path: Path) -> None:
    """`run` never asks for them, and reads a camera for as long as it is told to."""
    path = write_video(tmp_path / "clip.mp4", frames=40)
    address = replace(file_address(path), is_live=True)
    source = PyavSource(
        address,
        stream="clip",
        clock=SetAgainAndAgain(),
        decode=DecodeOptions(thread_count=1),
        max_pixels=MAX_PIXELS,
    )
    with closing(source):
        epochs = [frame.epoch for frame in source.frames()]
        assert epochs == list(range(40))
        assert source.time_jumps == {TimeJump.CLOCK: 39}


@pytest.mark.usefixtures("no_collector")
def test_a_closed_video_leaves_nothing_to_the_garbage_collector(tmp_path: Path) -> None:
    """Its first frame holds itself, and with it the decoder's pool of pictures: megabytes."""
    path = write_video(tmp_path / "clip.mp4", frames=10)
    before = frames_alive()
    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        assert sum(1 for _ in source.frames()) == 10
    del source  # its decoder keeps an empty frame for the next picture
    assert frames_alive() == before
