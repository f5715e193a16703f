"""`posestream batch` as users start it; kills are in `test_batch_kills.py`."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from engines.artefact import Artefact
from stream.wire import decode_line
from tests.command_line import posestream, read_lines
from tests.drawn_clips import write_drawn_clip

pytestmark = pytest.mark.slow


@pytest.fixture
def videos(clip: Path, tmp_path: Path) -> Path:
    """Two folders with a video of the same name, one broken file, and one that is no video."""
    folder = tmp_path / "videos"
    for place in ("a", "b"):
        (folder / place).mkdir(parents=True)
    os.link(clip, folder / "a" / "walk.mp4")
    write_drawn_clip(folder / "b" / "walk.mp4", 12)
    (folder / "broken.mp4").write_bytes(clip.read_bytes()[:700])
    (folder / "notes.txt").write_text("no video")
    return folder


def batch(
    *words: object, cwd: Path, model: Artefact | None = None
) -> subprocess.CompletedProcess[str]:
    chosen = ["--model", model.folder] if model else []
    return posestream("batch", *words, *chosen, cwd=cwd)


def events(finished: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_video_gets_the_results_of_a_run_and_a_bad_one_stops_nothing(
    videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    finished = batch(videos, "-o", "out", "--annotate", cwd=tmp_path, model=tiny_artefact)

    assert finished.returncode == 1, finished.stderr
    assert finished.stdout == ""
    assert "broken.mp4: failed" in finished.stderr
    assert "Traceback" not in finished.stderr
    results = {f"{place}/walk.mp4.{end}" for place in "ab" for end in ("jsonl", "annotated.mp4")}
    assert tree(tmp_path / "out") == {*results, "manifest.jsonl", ".lock"}
    for place in "ab":
        words = ("--output", f"{place}.jsonl", "--annotate", f"{place}.mp4", "-q")
        video = videos / place / "walk.mp4"
        posestream("run", video, "--model", tiny_artefact.folder, *words, cwd=tmp_path)
        alone, together = tmp_path / f"{place}.jsonl", tmp_path / "out" / place / "walk.mp4.jsonl"
        assert alone.read_bytes() == together.read_bytes()
        with av.open(together.with_name("walk.mp4.annotated.mp4")) as drawn:
            assert sum(1 for _ in drawn.decode(video=0)) == len(read_lines(alone))


def test_the_same_again_does_nothing_and_a_changed_file_is_done_again(
    videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    (videos / "broken.mp4").unlink()
    first = batch(videos, "-o", "out", cwd=tmp_path, model=tiny_artefact)
    again = batch(videos, "-o", "out", "--json-progress", cwd=tmp_path, model=tiny_artefact)
    assert (first.returncode, again.returncode) == (0, 0)
    assert [event["event"] for event in events(again)] == ["begin", "end"]

    write_drawn_clip(videos / "b" / "walk.mp4", 20)
    changed = batch(videos, "-o", "out", "--json-progress", cwd=tmp_path, model=tiny_artefact)

    told = events(changed)
    assert told[0]["event"] == "note"
    assert "b/walk.mp4: changed since it was read; doing it again" in told[0]["text"]
    assert [one["result"] for one in told if one["event"] == "file_done"] == ["b/walk.mp4"]
    assert told[-1] == {
        "event": "end", "files": 2, "done": 2, "failed": 0, "pending": 0, "frames": 50, "poses": 50
    }  # fmt: skip
    assert len(read_lines(tmp_path / "out" / "b" / "walk.mp4.jsonl")) == 20


@pytest.mark.slow
def test_a_failed_file_is_told_by_status_and_done_by_retry_once_it_is_whole(
    videos: Path, clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    batch(videos, "-o", "out", cwd=tmp_path, model=tiny_artefact)
    status = batch("status", "out", "--json", cwd=tmp_path)
    assert status.returncode == 1
    told = json.loads(status.stdout)
    assert (told["files"], told["done"], told["failed"]) == (3, 2, 1)
    [(path, reason)] = told["errors"].items()
    assert path.endswith("broken.mp4")
    assert "broken.mp4" in reason
    assert "failed" in batch("status", "out", cwd=tmp_path).stdout

    (videos / "broken.mp4").write_bytes(clip.read_bytes())
    retried = batch("retry", "out", "--quiet", cwd=tmp_path)

    assert (retried.returncode, retried.stdout, retried.stderr) == (0, "", "")
    assert batch("status", "out", cwd=tmp_path).returncode == 0
    assert len(read_lines(tmp_path / "out" / "broken.mp4.jsonl")) == 30


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--batch", "4", "--jobs", "3"), ("--jobs", "1")])
def test_results_do_not_depend_on_how_many_files_are_read_at_a_time(
    words: tuple[str, ...], videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    batch(videos, "-o", "usual", cwd=tmp_path, model=tiny_artefact)
    batch(videos, "-o", "other", *words, cwd=tmp_path, model=tiny_artefact)
    for place in ("a", "b"):
        usual, other = (tmp_path / o / place / "walk.mp4.jsonl" for o in ("usual", "other"))
        assert usual.read_bytes() == other.read_bytes()


def test_tables_hold_what_the_lines_hold(
    videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    from pyarrow import parquet  # noqa: PLC0415 - others need none

    for form in ("jsonl", "parquet"):
        words = ("-o", form, "--format", form, "--stride", "2")
        batch(videos / "a" / "walk.mp4", *words, cwd=tmp_path, model=tiny_artefact)

    lines = (tmp_path / "jsonl" / "walk.mp4.jsonl").read_text("ascii").splitlines()
    rows = parquet.read_table(tmp_path / "parquet" / "walk.mp4.parquet").to_pylist()
    assert len(rows) == len(lines) == 30
    for row, line in zip(rows, map(decode_line, lines), strict=True):
        expected = line.model_dump(mode="json", by_alias=True)
        poses, expected_poses = row.pop("poses"), expected.pop("poses")
        assert row == expected
        assert [pose["track"] for pose in poses] == [pose["track"] for pose in expected_poses]
        for pose, other in zip(poses, expected_poses, strict=True):
            for found, point in zip(pose["keypoints"], other["keypoints"], strict=True):
                assert found == pytest.approx(point, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("none.mp4", "-o", "out"), 2, "no video at none.mp4"),
        (("status", "out"), 2, "no job in out"),
        (("retry", "out"), 2, "no job in out"),
        (("videos", "-o", "out", "--model", "nobody"), 1, "nobody"),
        (("videos", "-o", "videos/broken.mp4"), 1, "cannot write"),
    ],
)
def test_wrong_use_says_what_and_touches_nothing(
    words: tuple[str, ...], code: int, message: str, videos: Path, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    finished = batch(*words, cwd=tmp_path)
    assert finished.returncode == code, finished.stderr
    assert message in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr
    assert tree(tmp_path) == before


@pytest.mark.slow
def test_other_options_need_another_folder_or_a_fresh_start(
    videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    words = (videos / "a", "-o", "out")
    batch(*words, cwd=tmp_path, model=tiny_artefact)
    refused = batch(*words, "--stride", "3", cwd=tmp_path, model=tiny_artefact)
    assert refused.returncode == 2
    assert "begun with stride 1, not 3" in refused.stderr
    fresh = batch(*words, "--stride", "3", "--fresh", cwd=tmp_path, model=tiny_artefact)
    assert fresh.returncode == 0
    outcomes = [line["outcome"] for line in read_lines(tmp_path / "out" / "walk.mp4.jsonl")]
    assert outcomes[:4] == ["inferred", "skipped", "skipped", "inferred"]
