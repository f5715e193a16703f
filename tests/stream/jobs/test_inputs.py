from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError
from stream.jobs.inputs import RESERVED, Found, allot_names, find_inputs


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def wishes(found: list[Found]) -> list[str]:
    return [one.wish for one in found]


def test_a_folder_gives_its_videos_sorted_with_their_places(tmp_path: Path) -> None:
    touch(tmp_path, "b.MP4", "a.mkv", "deep/er/c.mov", "notes.txt", ".hidden.mp4", ".git/x.mp4")
    found = find_inputs([str(tmp_path)], tmp_path / "out")
    assert wishes(found) == ["a.mkv", "b.MP4", "deep/er/c.mov"]


def test_a_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    touch(tmp_path, "strange.bin")
    assert wishes(find_inputs([str(tmp_path / "strange.bin")], tmp_path / "out")) == ["strange.bin"]


def test_a_pattern_is_expanded_and_folders_in_it_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "day1/a.mp4", "day2/b.mp4", "day2/deep/c.mp4")
    word = str(tmp_path / "day*" / "*")
    assert wishes(find_inputs([word], tmp_path / "out")) == ["a.mp4", "b.mp4"]
    word = str(tmp_path / "**" / "*.mp4")
    assert wishes(find_inputs([word], tmp_path / "out")) == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_there_is_such_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "take[1].mp4", "take1.mp4")
    found = find_inputs([str(tmp_path / "take[1].mp4")], tmp_path / "out")
    assert wishes(found) == ["take[1].mp4"]


def test_the_same_file_is_taken_once_however_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    words = [str(tmp_path / "a.mp4"), str(tmp_path), str(tmp_path / ".." / tmp_path.name / "a.mp4")]
    assert len(find_inputs(words, tmp_path / "out")) == 1


def test_results_within_a_folder_of_videos_are_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "out/a.mp4.annotated.mp4")
    assert wishes(find_inputs([str(tmp_path)], tmp_path / "out")) == ["a.mp4"]


def test_words_that_name_nothing_are_refused_all_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "empty/notes.txt")
    words = [str(tmp_path / name) for name in ("a.mp4", "none.mp4", "empty", "*.avi")]
    with pytest.raises(ConfigError, match=r"no video at \S+none\.mp4, \S+empty, \S+\*\.avi; give"):
        find_inputs(words, tmp_path / "out")


def test_a_file_that_the_job_knows_may_be_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone.mp4"
    assert find_inputs([str(gone)], tmp_path / "out", known={str(gone)}) == []


def test_same_names_from_different_folders_get_names_of_their_own() -> None:
    found = [Found(Path(place), "x.mp4") for place in ("/a/x.mp4", "/b/x.mp4")]
    names = allot_names(found, {})
    assert names["/a/x.mp4"] == "x.mp4"
    assert names["/b/x.mp4"].startswith("x.mp4-")
    assert names == allot_names(found, names) | names, "names once given stay"


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["x", "X", "y", RESERVED])), max_size=20),
    st.integers(0, 20),
)
def test_names_never_collide_and_never_change(places: list[tuple[int, str]], first: int) -> None:
    found = [Found(Path(f"/{folder}/{name}"), name) for folder, name in dict.fromkeys(places)]
    early = allot_names(found[:first], {})
    names = early | allot_names(found, early)
    assert names.keys() == {str(one.path) for one in found}
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    assert RESERVED not in folded
