import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError, SinkError
from stream.jobs.fingerprint import Fingerprint, fingerprint_of
from stream.jobs.inputs import Found
from stream.jobs.manifest import (
    Item,
    ItemState,
    JobManifest,
    JobSettings,
    item_line,
    manifest_of,
    settings_line,
)
from stream.jobs.manifest_file import NAME, ManifestFile, read_manifest
from stream.jobs.resume import resumed, retried

SETTINGS = JobSettings("tiny", "0" * 64)
PRINT = Fingerprint(7, 8, "9")
ITEMS = st.builds(
    Item,
    path=st.text(min_size=1, max_size=8),
    name=st.text(min_size=1, max_size=8),
    state=st.sampled_from(ItemState),
    fingerprint=st.one_of(st.none(), st.just(PRINT)),
    frames=st.integers(0, 1000),
    poses=st.integers(0, 1000),
    error=st.text(max_size=8),
)


def fresh(_before: JobManifest | None) -> JobManifest:
    return JobManifest(SETTINGS)


def as_it_is(before: JobManifest | None) -> JobManifest:
    return before or JobManifest(SETTINGS)


@given(st.lists(ITEMS, max_size=10))
def test_the_last_line_of_an_item_counts(items: list[Item]) -> None:
    lines = [settings_line(SETTINGS), *map(item_line, items)]
    assert manifest_of(lines) == JobManifest(SETTINGS).with_items(items)


def test_a_path_that_is_no_text_survives() -> None:
    item = Item("/clips/\udcff.mp4", "\udcff.mp4")
    assert manifest_of([settings_line(SETTINGS), item_line(item)]).items[item.path] == item


@pytest.mark.parametrize(
    "line", ["", "nonsense", "{}", "[]", '{"path":"a"}', '{"posestream_job":2,"settings":{}}']
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_damaged_line_is_named(line: str, number: int) -> None:
    lines = [line] if number == 1 else [settings_line(SETTINGS), line]
    with pytest.raises(ConfigError, match=rf"line {number} is not .* --fresh"):
        manifest_of(lines)


def test_changes_are_there_at_once_and_survive(tmp_path: Path) -> None:
    file = ManifestFile(tmp_path / "out", fresh)
    for number in range(5):
        file.record(Item(f"/{number}", str(number), ItemState.DONE))
    assert read_manifest(tmp_path / "out") == file.manifest
    file.close()
    again = ManifestFile(tmp_path / "out", as_it_is)
    assert list(again.manifest.items) == ["/0", "/1", "/2", "/3", "/4"]
    again.close()


@given(st.integers(0, 10_000))
def test_a_kill_in_the_middle_of_a_line_costs_that_line_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    out = tmp_path_factory.mktemp("job")
    items = [Item(f"/{number}", str(number), ItemState.DONE) for number in range(4)]
    lines = [settings_line(SETTINGS), *map(item_line, items)]
    text = "".join(f"{line}\n" for line in lines)
    cut = max(len(lines[0]) + 1, cut % (len(text) + 1))
    (out / NAME).write_text(text[:cut], "ascii")

    file = ManifestFile(out, as_it_is)
    file.record(Item("/new", "new"))
    file.close()

    found = read_manifest(out)
    assert found is not None
    whole = text[:cut].count("\n") - 1
    assert list(found.items.values()) == [*items[:whole], Item("/new", "new")]


def test_two_processes_cannot_work_on_one_job(tmp_path: Path) -> None:
    file = ManifestFile(tmp_path, fresh)
    with pytest.raises(ConfigError, match="another process works on this job"):
        ManifestFile(tmp_path, fresh)
    file.close()
    ManifestFile(tmp_path, fresh).close()


def test_a_folder_that_cannot_be_written_is_named(read_only_folder: Path) -> None:
    with pytest.raises(SinkError, match="read_only"):
        ManifestFile(read_only_folder / "out", fresh)


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    other = replace(SETTINGS, stride=2, model="smpr")
    with pytest.raises(ConfigError, match=r"begun with model tiny, not smpr; stride 1, not 2; use"):
        resumed(JobManifest(SETTINGS), [], other, tmp_path, print)


def done(path: Path, out: Path) -> Item:
    (out / f"{path.name}.jsonl").touch()
    return Item(str(path), path.name, ItemState.DONE, fingerprint_of(path), frames=3)


def test_what_is_done_stays_done_and_what_is_new_is_added(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    item = done(tmp_path / "a.mp4", tmp_path)
    said: list[str] = []
    found = [Found(tmp_path / name, name) for name in ("a.mp4", "b.mp4")]
    manifest = resumed(
        JobManifest(SETTINGS, {item.path: item}), found, SETTINGS, tmp_path, said.append
    )
    assert list(manifest.items.values()) == [item, Item(str(tmp_path / "b.mp4"), "b.mp4")]
    assert said == []


@pytest.mark.parametrize("change", ["size", "time", "head", "result"])
def test_a_change_since_then_is_said_and_done_again(tmp_path: Path, change: str) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"abc")
    item = done(video, tmp_path)
    assert item.fingerprint is not None
    modified = item.fingerprint.modified_ns
    if change == "size":
        video.write_bytes(b"abcd")
    if change == "head":
        video.write_bytes(b"xyz")
    if change == "result":
        (tmp_path / "a.mp4.jsonl").unlink()
    os.utime(video, ns=(modified, modified + (1 if change == "time" else 0)))
    said: list[str] = []
    before = JobManifest(SETTINGS, {item.path: item})
    manifest = resumed(before, [], SETTINGS, tmp_path, said.append)
    assert manifest.items[item.path] == Item(item.path, "a.mp4")
    assert len(said) == 1
    assert "doing it again" in said[0]


def test_results_of_a_video_that_is_gone_are_kept(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"abc")
    item = done(video, tmp_path)
    video.unlink()
    before = JobManifest(SETTINGS, {item.path: item})
    assert resumed(before, [], SETTINGS, tmp_path, print) == before


def test_what_failed_stays_failed_until_a_retry_or_a_new_file(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"abc")
    item = Item(str(video), "a.mp4", ItemState.FAILED, fingerprint_of(video), error="bad")
    before = JobManifest(SETTINGS, {item.path: item})
    assert resumed(before, [], SETTINGS, tmp_path, print) == before
    assert retried(before, tmp_path).items[item.path].state is ItemState.PENDING
    video.write_bytes(b"better")
    [again] = resumed(before, [], SETTINGS, tmp_path, lambda line: None).items.values()
    assert again.state is ItemState.PENDING


def test_retrying_where_there_is_no_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no job in"):
        retried(None, tmp_path)
