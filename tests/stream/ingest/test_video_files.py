"""Real decoding of small clips: no frame lost or out of turn, true times, upright, valid pixels."""

import gc
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.clock import ManualClock
from stream.frame import Frame
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import open_source
from stream.picture import ColourSpace, to_rgb
from tests.media import (
    CODECS,
    HEIGHT,
    WIDTH,
    Clips,
    cut_off,
    number_in,
    numbered_rgb,
    with_damage,
    with_rotation,
    without_index_at_end,
    write_video,
)
from tests.reading import numbers, read_all, times

pytestmark = pytest.mark.slow

FRAMES = 30
ALL = list(range(FRAMES))
LOSSLESS_FORMATS = [
    ("ffv1", "yuv444p", "mkv"),
    ("ffv1", "yuv422p", "mkv"),
    ("ffv1", "yuv420p10le", "mkv"),
    ("ffv1", "bgr0", "mkv"),
    ("ffv1", "gray", "mkv"),
    ("ffv1", "gray16le", "mkv"),
    ("png", "rgb24", "mov"),
    ("rawvideo", "nv12", "nut"),
    ("rawvideo", "yuyv422", "nut"),
    ("rawvideo", "bgr24", "avi"),
]


def clip_of(clips: Clips, codec: str) -> Path:
    encoder, suffix = CODECS[codec]
    if codec == "mjpeg":
        return clips.get(f"mjpeg.{suffix}", encoder, pixels="yuvj420p")
    return clips.get(f"{codec}.{suffix}", encoder, b_frames=2)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_every_frame_in_order(clips: Clips, codec: str) -> None:
    frames = read_all(clip_of(clips, codec))

    assert numbers(frames) == ALL
    assert [(frame.stream, frame.epoch, frame.index) for frame in frames] == [
        ("clip", 0, index) for index in ALL
    ]
    steps = [later - earlier for earlier, later in pairwise(times(frames))]
    assert steps == pytest.approx([0.04] * (FRAMES - 1), abs=0.001)
    assert not any(frame.damaged for frame in frames)


@pytest.mark.parametrize("codec", CODECS)
def test_the_description_says_what_the_frames_are(clips: Clips, codec: str) -> None:
    path = clip_of(clips, codec)
    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        about = source.description
    assert (about.stream, about.codec, about.is_live) == ("clip", codec, False)
    assert (about.width, about.height) == (WIDTH, HEIGHT)
    assert about.fps_from_header == pytest.approx(25, abs=0.1)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "mpeg4"])
def test_the_header_s_frames_and_duration_are_passed_on(clips: Clips, codec: str) -> None:
    path = clip_of(clips, codec)
    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        assert source.description.frames_from_header == FRAMES
        assert source.description.duration_seconds_from_header == pytest.approx(1.2)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(clips: Clips, threads: int) -> None:
    frames = read_all(clip_of(clips, "h264"), decode=DecodeOptions(thread_count=threads))
    assert numbers(frames) == ALL


@pytest.mark.parametrize(("encoder", "pixels", "suffix"), LOSSLESS_FORMATS)
def test_every_pixel_format_is_read_true_to_colour(
    encoder: str, pixels: str, suffix: str, clips: Clips
) -> None:
    frames = read_all(clips.get(f"{pixels}.{suffix}", encoder, pixels=pixels, frames=3))

    assert numbers(frames) == [0, 1, 2]
    for frame in frames:
        wanted = numbered_rgb(frame.index).astype(int)
        assert np.abs(to_rgb(frame.picture) - wanted).mean() < 2.5


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_times_are_kept(suffix: str, clips: Clips) -> None:
    shown = [0.0, 0.04, 0.2, 0.21, 0.8, 1.5]
    frames = read_all(clips.get(f"uneven.{suffix}", frames=6, times=shown, b_frames=2))

    assert numbers(frames) == list(range(6))
    assert times(frames) == pytest.approx(shown, abs=0.001)  # Matroska knows milliseconds


def test_times_count_from_the_start_of_the_file(clips: Clips) -> None:
    frames = read_all(clips.get("late.mp4", frames=3, times=[5.0, 5.5, 7.0]))
    assert times(frames) == pytest.approx([0.0, 0.5, 2.0])


def test_frames_without_times_follow_at_the_average_rate(clips: Clips) -> None:
    frames = read_all(clips.get("bare.h264"))

    assert numbers(frames) == ALL
    assert times(frames) == pytest.approx([index / 25 for index in ALL])


def test_sound_beside_the_video_does_not_disturb(clips: Clips) -> None:
    assert numbers(read_all(clips.get("sound.mp4", sound=True))) == ALL


@pytest.mark.parametrize(("degrees", "quarters"), [(0, 0), (90, 3), (180, 2), (270, 1)])
def test_pictures_stand_upright(degrees: int, quarters: int, clips: Clips, tmp_path: Path) -> None:
    plain = clips.get("h264.mp4", b_frames=2)
    turned = read_all(with_rotation(plain, tmp_path / "turned.mp4", degrees))

    for frame, flat in zip(turned, read_all(plain), strict=True):
        assert np.array_equal(frame.picture.y, np.rot90(flat.picture.y, quarters))
        assert np.array_equal(frame.picture.u, np.rot90(flat.picture.u, quarters))
        assert np.array_equal(frame.picture.v, np.rot90(flat.picture.v, quarters))


def test_the_description_has_the_size_of_the_upright_picture(clips: Clips, tmp_path: Path) -> None:
    path = with_rotation(clips.get("h264.mp4", b_frames=2), tmp_path / "turned.mp4", 90)
    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        assert (source.description.width, source.description.height) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [(161, 127), (33, 16), (3, 1), (1, 1)])
def test_odd_sizes_are_read(size: tuple[int, int], clips: Clips) -> None:
    name = "odd_{}x{}.webm".format(*size)
    frames = read_all(clips.get(name, "libvpx-vp9", size=size, frames=3))
    assert [(frame.picture.width, frame.picture.height) for frame in frames] == [size] * 3


def test_the_size_may_change_in_mid_stream(clips: Clips, tmp_path: Path) -> None:
    small = clips.get("bare.h264")
    large = clips.get("large.h264", size=(2 * WIDTH, 2 * HEIGHT))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())

    frames = read_all(both)

    assert numbers(frames) == ALL + ALL
    assert {frame.picture.width for frame in frames[:FRAMES]} == {WIDTH}
    assert {frame.picture.width for frame in frames[FRAMES:]} == {2 * WIDTH}


def test_a_clock_that_starts_again_starts_a_new_epoch(clips: Clips, tmp_path: Path) -> None:
    once = clips.get("minutes.ts", "mpeg2video", frames=60)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() * 2)

    frames = read_all(twice)

    assert numbers(frames) == [*range(60)] * 2
    assert [(frame.epoch, frame.index) for frame in frames] == [
        (epoch, index) for epoch in (0, 1) for index in range(60)
    ]
    assert times(frames[60:]) == pytest.approx([index / 25 for index in range(60)])


def test_damaged_packets_are_counted_and_reading_goes_on(clips: Clips, tmp_path: Path) -> None:
    path = with_damage(clips.get("plain.mp4"), tmp_path / "damaged.mp4", [13, 14])

    with closing(open_source(str(path), stream="clip", clock=ManualClock())) as source:
        frames = list(source.frames())

        assert source.corrupt_packets == 2
    assert len(frames) == FRAMES - 2
    assert numbers(frames)[:13] == ALL[:13]
    # From the next key frame on all is well again.
    assert numbers(frames)[-10:] == ALL[-10:]
    assert [frame.index for frame in frames] == list(range(FRAMES - 2))
    assert times(frames) == sorted(times(frames))


def test_frames_that_the_decoder_patched_up_are_marked(clips: Clips, tmp_path: Path) -> None:
    whole = clip_of(clips, "mpeg4")
    frames = read_all(with_damage(whole, tmp_path / "damaged.avi", [13], begin_share=0.5))

    assert len(frames) == FRAMES
    # The packet's own frame and the B frames between it and the one before.
    assert [frame.index for frame in frames if frame.damaged] == [13, 14, 15]


def test_a_cut_off_file_gives_what_is_there(
    clips: Clips, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = without_index_at_end(clips.get("long.mp4", frames=80), tmp_path / "front.mp4")
    frames = read_all(cut_off(front, tmp_path / "cut.mp4", 0.5))

    assert 10 < len(frames) < 70
    assert numbers(frames) == list(range(len(frames)))
    assert "source_ended_early" in caplog.messages


def test_a_whole_file_is_not_called_short(clips: Clips, caplog: pytest.LogCaptureFixture) -> None:
    read_all(clips.get("long.mp4", frames=80))
    assert not caplog.messages


def test_pixels_stay_valid_after_the_source_is_closed_and_gone(clips: Clips) -> None:
    frames = read_all(clip_of(clips, "h264"), decode=DecodeOptions(thread_count=2))
    gc.collect()
    read_all(clip_of(clips, "hevc"))  # whatever was freed would be used again here
    assert numbers(frames) == ALL


def test_the_decoder_s_own_memory_is_shown_not_a_copy(clips: Clips) -> None:
    for frame in read_all(clip_of(clips, "h264"))[:3]:
        for plane in (frame.picture.y, frame.picture.u, frame.picture.v):
            assert not plane.flags.owndata
            assert not plane.flags.writeable


def test_a_source_may_be_left_at_any_time(clips: Clips) -> None:
    for taken in (0, 1, 7):
        source = open_source(
            str(clip_of(clips, "h264")),
            stream="clip",
            clock=ManualClock(),
            decode=DecodeOptions(thread_count=3),
        )
        frames = source.frames()
        left = [number_in(frame.picture) for _, frame in zip(range(taken), frames, strict=False)]
        source.close()
        source.close()
        assert left == list(range(taken))
        assert list(frames) == []


def test_frames_carry_the_clock_s_wall_time(clips: Clips) -> None:
    clock = ManualClock(wall=1000.0)
    with closing(open_source(str(clips.get("plain.mp4")), stream="clip", clock=clock)) as source:
        frames = source.frames()
        captured = []
        for _ in range(3):
            captured.append(next(frames).capture_seconds)
            clock.advance(1.0)
    assert captured == [1000.0, 1001.0, 1002.0]


@pytest.mark.parametrize(("height", "space"), [(480, ColourSpace.BT601), (720, ColourSpace.BT709)])
def test_an_unnamed_colour_space_follows_the_height(
    height: int, space: ColourSpace, tmp_path: Path
) -> None:
    [frame] = read_all(write_video(tmp_path / "a.mp4", frames=1, size=(640, height)))
    assert frame.picture.colour_space is space
    assert not frame.picture.full_range


def test_jpeg_video_has_the_full_range(clips: Clips) -> None:
    frame: Frame = read_all(clip_of(clips, "mjpeg"))[0]
    assert frame.picture.full_range
