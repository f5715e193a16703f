"""What every source promises, whoever implements it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream.clock import ManualClock
from stream.errors import ConfigError
from stream.ingest.open_source import open_source
from stream.ingest.pattern_source import Pattern, PatternSource
from stream.ingest.source import Source
from stream.picture import to_rgb
from tests.media import Clips, write_pictures

FRAMES = 30
MakeSource = Callable[[ManualClock], Source]


@pytest.fixture(params=["video", "pictures", "pattern"])
def make_source(request: pytest.FixtureRequest, clips: Clips, tmp_path: Path) -> MakeSource:
    def video(clock: ManualClock) -> Source:
        return open_source(str(clips.get("plain.mp4")), stream="door", clock=clock)

    def pictures(clock: ManualClock) -> Source:
        if not (tmp_path / "a").exists():
            write_pictures(tmp_path / "a", FRAMES)
        return open_source(str(tmp_path / "a"), stream="door", clock=clock)

    def pattern(clock: ManualClock) -> Source:
        return PatternSource(Pattern(frames=FRAMES), stream="door", clock=clock)

    return {"video": video, "pictures": pictures, "pattern": pattern}[request.param]


def test_frames_are_counted_from_zero_and_timed_at_their_rate(make_source: MakeSource) -> None:
    source = make_source(ManualClock())
    frames = list(source.frames())
    source.close()

    assert [(f.stream, f.epoch, f.index) for f in frames] == [
        ("door", 0, index) for index in range(FRAMES)
    ]
    assert [f.pts_seconds for f in frames] == pytest.approx([i / 25 for i in range(FRAMES)])
    assert not any(f.damaged for f in frames)
    assert source.corrupt_packets == 0


def test_the_description_is_known_before_the_first_frame(make_source: MakeSource) -> None:
    source = make_source(ManualClock())
    about = source.description
    first = next(iter(source.frames()))
    source.close()

    assert (about.stream, about.is_live) == ("door", False)
    assert (about.width, about.height) == (first.picture.width, first.picture.height)
    assert about.frames_from_header == FRAMES
    assert about.duration_seconds_from_header == pytest.approx(FRAMES / 25)
    assert about.fps_from_header == pytest.approx(25)
    assert source.description == about


def test_frames_carry_the_wall_time_at_which_they_were_made(make_source: MakeSource) -> None:
    clock = ManualClock(wall=500.0)
    source = make_source(clock)
    frames = iter(source.frames())
    next(frames)
    clock.advance(2.0)
    assert next(frames).capture_seconds == 502.0
    source.close()


def test_the_same_pixels_come_every_time(make_source: MakeSource) -> None:
    pixels = []
    for _ in range(2):
        source = make_source(ManualClock())
        pixels.append([to_rgb(frame.picture) for frame in source.frames()])
        source.close()
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0][0], pixels[0][-1])


def test_pixels_are_read_only_and_outlive_the_source(make_source: MakeSource) -> None:
    source = make_source(ManualClock())
    frame = next(iter(source.frames()))
    before = frame.picture.y.copy()
    source.close()
    assert np.array_equal(frame.picture.y, before)
    with pytest.raises(ValueError, match="read-only"):
        frame.picture.y[0, 0] = 1


def test_closing_ends_the_frames_and_may_be_repeated(make_source: MakeSource) -> None:
    source = make_source(ManualClock())
    frames = iter(source.frames())
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_closing_before_the_first_frame_leaves_none(make_source: MakeSource) -> None:
    source = make_source(ManualClock())
    frames = source.frames()
    source.close()
    assert list(frames) == []


def test_drawn_people_are_where_the_pattern_says() -> None:
    pattern = Pattern(people=3)
    for index in (0, 13, 49):
        rgb = pattern.rgb(index)
        people = pattern.keypoints_px(index)
        assert people.shape == (3, 17, 2)
        columns, rows = np.rint(people).astype(int).reshape(-1, 2).T
        assert (rgb[rows, columns] == 220).all()


def test_drawn_people_never_leave_the_picture() -> None:
    pattern = Pattern(width=200, height=160, people=4)
    for index in range(0, 2000, 7):
        people = pattern.keypoints_px(index)
        assert people.min() >= 0
        assert (people.reshape(-1, 2).max(0) < [200, 160]).all()


def test_an_empty_scene_can_be_drawn() -> None:
    assert Pattern(people=0).keypoints_px(0).shape == (0, 17, 2)
    assert np.ptp(Pattern(people=0).rgb(0)) == 0


@pytest.mark.parametrize("wrong", [{"width": 0}, {"frames": 0}, {"fps": 0.0}, {"people": 9}])
def test_a_pattern_that_cannot_be_drawn_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a pattern needs"):
        Pattern(**wrong)
