"""What cannot be read is refused before the first frame, in words that say what to do."""

from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stream.clock import ManualClock
from stream.errors import ConfigError, SourceError
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import MAX_PIXELS, open_source
from tests.broken_files import BROKEN, Make, text_file
from tests.media import Clips, numbered_rgb, write_pictures
from tests.reading import read_all


def refused(location: Path | str, **settings: int | float) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(str(location), stream="clip", clock=ManualClock(), **settings)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"), BROKEN.items(), ids=lambda one: str(getattr(one, "__name__", ""))
)
def test_what_cannot_be_read_is_named_with_a_remedy(make: Make, words: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(SourceError, match=rf"clip\.mp4: .*{words}"):
        open_source(str(path), stream="clip", clock=ManualClock())


def test_a_text_file_is_no_film_of_a_terminal(tmp_path: Path) -> None:
    text_file(tmp_path / "notes.txt")
    assert "it is a text" in refused(tmp_path / "notes.txt")


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song = tmp_path / "song.mp4"
    with av.open(str(song), "w") as container:
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered_rgb(1, 64, 48), format="rgb24")
        for packet in cover.encode(picture) + cover.encode(None):
            container.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 16_000
        for packet in audio.encode(silence) + audio.encode(None):
            container.mux(packet)
    assert "only sound" in refused(song)


def test_a_file_without_permission_is_named(tmp_path: Path, clips: Clips) -> None:
    """The folder's name stands in for permissions: tests may run as a user that has them all."""
    assert "Not a directory" in refused(clips.get("plain.mp4") / "clip.mp4")


@pytest.mark.parametrize("name", ["a" * 300, "\N{GREEK SMALL LETTER ALPHA} b.mp4", "-"])
def test_odd_names_are_refused_like_others(name: str) -> None:
    assert "check the name" in refused(name)


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile http://127.0.0.1:9/a.mp4\n",
        "ffconcat version 1.0\nfile /etc/hostname\n",
    ],
)
def test_a_file_cannot_make_us_open_another_host(content: str, tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text(content, "utf-8")
    assert "cannot open" in refused(path)


def test_a_video_with_larger_pictures_than_allowed_is_refused(clips: Clips) -> None:
    words = refused(clips.get("plain.mp4"), max_pixels=160 * 128 - 1)
    assert "160x128" in words
    assert "20479 pixels" in words
    assert read_all(clips.get("plain.mp4"), max_pixels=160 * 128)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_a_larger_picture_than_allowed_is_refused(suffix: str, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 1, suffix)
    assert "more than 1000 pixels" in refused(folder / f"view_0{suffix}", max_pixels=1000)


def test_a_stream_that_grows_beyond_the_limit_ends_with_an_error(
    clips: Clips, tmp_path: Path
) -> None:
    small, large = clips.get("bare.h264"), clips.get("large.h264", size=(320, 256))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    limit = 320 * 256 - 1
    with (
        closing(
            open_source(str(both), stream="clip", clock=ManualClock(), max_pixels=limit)
        ) as source,
        pytest.raises(SourceError, match="320x256"),
    ):
        list(source.frames())


def test_the_largest_picture_allowed_is_read(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "wall.jpg"), np.full((4000, 8000, 3), 40, np.uint8))
    [frame] = read_all(tmp_path / "wall.jpg")
    assert frame.picture.width * frame.picture.height == MAX_PIXELS


def test_a_picture_beyond_the_largest_is_refused(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "wall.jpg"), np.full((4001, 8000, 3), 40, np.uint8))
    assert f"{MAX_PIXELS} pixels" in refused(tmp_path / "wall.jpg")


@pytest.mark.parametrize(
    "settings",
    [{"max_pixels": 0}, {"picture_fps": 0.0}, {"picture_fps": float("nan")}],
)
def test_numbers_that_make_no_sense_are_refused(settings: dict[str, int], clips: Clips) -> None:
    with pytest.raises(ConfigError, match="1 or more pixels"):
        read_all(clips.get("plain.mp4"), **settings)


def test_a_decoder_without_a_thread_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 or more threads"):
        DecodeOptions(thread_count=0)
