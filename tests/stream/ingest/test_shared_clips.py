"""The shared videos are read whole: frames, sizes and rates as their README says."""

from contextlib import closing
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.ingest.open_source import open_source
from tests.shared_clips import SHARED_CLIPS

pytestmark = pytest.mark.slow


def test_the_table_names_every_shared_video(shared_data: Path) -> None:
    assert {path.stem for path in (shared_data / "videos").glob("*.mp4")} == set(SHARED_CLIPS)


@pytest.mark.parametrize("name", SHARED_CLIPS)
def test_a_shared_video_is_read_whole(name: str, shared_data: Path) -> None:
    codec, width, height, fps, count = SHARED_CLIPS[name]
    path = shared_data / "videos" / f"{name}.mp4"
    with closing(open_source(str(path), stream=name, clock=ManualClock())) as source:
        about = source.description
        sizes, seconds, damaged = set(), [], 0
        for frame in source.frames():
            sizes.add((frame.picture.width, frame.picture.height))
            seconds.append(frame.pts_seconds)
            damaged += frame.damaged

        assert (damaged, source.corrupt_packets) == (0, 0)
    assert (about.codec, about.width, about.height) == (codec, width, height)
    assert about.fps_from_header is not None
    assert about.fps_from_header == pytest.approx(fps, abs=0.1)
    assert len(seconds) == about.frames_from_header == count
    assert sizes == {(width, height)}
    assert seconds == pytest.approx([index / about.fps_from_header for index in range(count)])
