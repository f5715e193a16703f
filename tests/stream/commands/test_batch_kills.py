"""A job that is killed or stopped, again and again, ends as if nothing had happened."""

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engines.artefact import Artefact
from tests.command_line import posestream, read_lines, running
from tests.drawn_clips import write_drawn_clip

KILLS = 10
FRAMES = (120, 270, 75, 420, 180)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good videos and three broken ones."""
    folder = tmp_path_factory.mktemp("videos")
    for number, frames in enumerate(FRAMES):
        write_drawn_clip(folder / f"good{number}.mp4", frames)
    whole = (folder / "good0.mp4").read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "noise.mp4").write_bytes(b"\x00noise" * 500)
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


def results(out: Path) -> dict[str, bytes]:
    """Everything that a job leaves, but for its own books."""
    books = {"manifest.jsonl", ".lock"}
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name not in books}


def words(videos: Path, model: Artefact, out: str) -> tuple[object, ...]:
    options = ("--annotate", "--jobs", "2", "--json-progress", "--threads", "1")
    return ("batch", videos, "-o", out, "--model", model.folder, *options)


@contextmanager
def begun(command: tuple[object, ...], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A job that has begun to work: its first line is out."""
    with running(*command, cwd=cwd) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


def killed_in_a_file(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kills a job some time after it began a file; False if it had nothing left to do by then.

    Counted from the beginning of a file, not of the process, the moments fall into the work on
    machines of any speed.
    """
    assert process.stdout is not None
    at_work = any('"file_began"' in line for line in process.stdout)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.kill()
    process.communicate()
    return at_work and process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_nothing_had_happened(
    videos: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    undisturbed = posestream(*words(videos, tiny_artefact, "calm"), cwd=tmp_path)
    assert undisturbed.returncode == 1, "three files are broken"
    moments = random.Random(5)  # noqa: S311 - a test's dice
    killed = 0
    for _ in range(KILLS):
        with begun(words(videos, tiny_artefact, "storm"), tmp_path) as process:
            killed += killed_in_a_file(process, moments.uniform(0.0, 0.3))
        for name in results(tmp_path / "storm"):
            if name.endswith(".jsonl"):
                calm = (tmp_path / "calm" / name).read_bytes()
                assert (tmp_path / "storm" / name).read_bytes() == calm, "whole or not there"

    last = posestream(*words(videos, tiny_artefact, "storm"), cwd=tmp_path)

    assert last.returncode == 1
    assert killed >= 3, "the dice must leave something to test"
    assert results(tmp_path / "storm") == results(tmp_path / "calm")
    told = [
        posestream("batch", "status", out, "--json", cwd=tmp_path).stdout
        for out in ("storm", "calm")
    ]
    assert told[0] == told[1]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_done_and_the_next_start_goes_on(
    long_clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    command = words(long_clip, tiny_artefact, "out")
    with running(*command, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert any('"file_began"' in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert not list((tmp_path / "out").glob("*.jsonl.jsonl"))
    assert not (tmp_path / "out" / "long.mp4.jsonl").exists()

    assert posestream(*command, cwd=tmp_path).returncode == 0
    assert len(read_lines(tmp_path / "out" / "long.mp4.jsonl")) == 400
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.slow
def test_two_processes_do_not_work_on_one_job(
    long_clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    command = words(long_clip, tiny_artefact, "out")
    with begun(command, tmp_path) as process:
        second = posestream(*command, cwd=tmp_path)
        process.kill()
    assert second.returncode == 2
    assert "another process works on this job" in second.stderr
