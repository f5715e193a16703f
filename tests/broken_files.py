"""Files that are no good video, each broken in another way."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from tests.media import cut_off, with_damage, write_sound, write_video

FRAMES = 30

Make = Callable[[Path], None]


def missing_file(path: Path) -> None:
    assert not path.exists()


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def text_file(path: Path) -> None:
    path.write_text("this is no video\n" * 100, "utf-8")


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(100_000))


def half_a_file(path: Path) -> None:
    """An MP4 whose index, which stands at its end, is lost."""
    _from_whole(path, lambda whole: cut_off(whole, path, 0.5))


def sound_only(path: Path) -> None:
    write_sound(path)


def zero_frames(path: Path) -> None:
    """A valid MP4 whose video track has no sample."""
    with av.open(str(path), "w", options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()


def unknown_codec(path: Path) -> None:
    """The name of the codec in the sample description is one that nobody knows."""

    def rename(whole: Path) -> None:
        content = whole.read_bytes()
        path.write_bytes(content.replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC"))

    _from_whole(path, rename)


def all_damaged(path: Path) -> None:
    """Noise in every one of its `FRAMES` packets."""
    _from_whole(path, lambda whole: with_damage(whole, path, range(FRAMES)))


def folder_without_pictures(path: Path) -> None:
    path.mkdir()


BROKEN: dict[Make, str] = {
    missing_file: "No such file.*check the name",
    empty_file: "the file is empty; get a whole copy",
    text_file: "no video that FFmpeg knows",
    random_bytes: "no video that FFmpeg knows",
    half_a_file: "no video that FFmpeg knows, or too damaged",
    sound_only: "only sound",
    zero_frames: "without a single frame",
    unknown_codec: "no decoder for its video; convert it",
    all_damaged: rf"no frame in it can be decoded \({FRAMES} damaged packets\)",
    folder_without_pictures: r"no picture in this folder; expected files that end in .*\.png",
}
"""How a file is broken -> what the error must say."""


def _from_whole(path: Path, spoil: Callable[[Path], object]) -> None:
    """Spoils a good video, which does not stay in the folder."""
    whole = write_video(path.with_name("whole.mp4"), frames=FRAMES)
    spoil(whole)
    whole.unlink()
