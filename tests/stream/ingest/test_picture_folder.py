from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.errors import SourceError
from stream.ingest.open_source import open_source
from stream.ingest.picture_folder import PICTURE_SUFFIXES, picture_paths
from tests.media import write_pictures
from tests.reading import numbers, read_all, times


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_every_kind_of_picture_is_read_in_natural_order(suffix: str, tmp_path: Path) -> None:
    frames = read_all(write_pictures(tmp_path / "a", 11, suffix))
    assert numbers(frames) == list(range(11))
    assert [frame.index for frame in frames] == list(range(11))


def test_pictures_play_at_the_rate_asked_for(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 3)
    assert times(read_all(folder)) == pytest.approx([0, 0.04, 0.08])
    assert times(read_all(folder, picture_fps=2.0)) == pytest.approx([0, 0.5, 1.0])


def test_the_folder_is_described_by_its_first_picture(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 3, ".jpg", size=(33, 17))
    source = open_source(str(folder), stream="clip", clock=ManualClock(), picture_fps=2.0)
    about = source.description
    source.close()
    assert (about.codec, about.width, about.height, about.is_live) == ("mjpeg", 33, 17, False)
    assert (about.frames_from_header, about.duration_seconds_from_header) == (3, 1.5)


def test_a_broken_picture_is_counted_and_its_moment_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_pictures(tmp_path / "a", 4)
    (folder / "view_0.png").write_bytes(b"")
    (folder / "view_2.png").write_text("no picture", "utf-8")
    source = open_source(str(folder), stream="clip", clock=ManualClock())

    frames = list(source.frames())

    assert source.corrupt_packets == 2
    assert numbers(frames) == [1, 3]
    assert [frame.index for frame in frames] == [0, 1]
    assert times(frames) == pytest.approx([0.04, 0.12])
    assert caplog.messages == ["picture_unreadable"] * 2


def test_a_folder_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 2)
    for path in folder.iterdir():
        path.write_text("no picture", "utf-8")
    with pytest.raises(SourceError, match="none of its 2 pictures can be read"):
        read_all(folder)


def test_sizes_may_differ(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 1)
    write_pictures(tmp_path / "b", 1, size=(320, 240))
    (tmp_path / "b" / "view_0.png").rename(folder / "view_1.png")
    assert [frame.picture.width for frame in read_all(folder)] == [160, 320]


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "2.png", "10.png", "010.jpg"],
        ["a1b2.png", "A1b10.PNG", "a2.png"],
        ["1.png", "01.png", "b.png"],
        ["9.png", "a.png", "é.png"],
    ],
)
def test_names_are_sorted_as_people_count(names: list[str], tmp_path: Path) -> None:
    for name in reversed(names):
        (tmp_path / name).write_bytes(b"x")
    found = [path.name for path in picture_paths(tmp_path)]
    assert sorted(found) == sorted(names)
    numbers_first = [name for name in found if name[0].isdigit()]
    assert found[: len(numbers_first)] == numbers_first
    assert [name.lower() for name in found if not name.startswith("0")] == [
        name.lower() for name in names if not name.startswith("0")
    ]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in (".hidden.png", "notes.txt", "1.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in picture_paths(tmp_path)] == ["1.png"]
