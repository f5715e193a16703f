"""Ctrl-C and SIGTERM, sent to real processes in the middle of a run."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import IO

import av
import pytest

from engines.artefact import Artefact
from tests.command_line import TIMEOUT_SECONDS, read_lines, running

pytestmark = pytest.mark.slow


def stream_of(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def stop_in_the_middle(process: subprocess.Popen[str], number: int) -> tuple[str, str]:
    """Sends a signal after the first result; what the process then still says."""
    first = stream_of(process.stdout).readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return first + out, err


@pytest.mark.parametrize("runner", ["inline", "concurrent"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_every_output_valid(
    runner: str, number: int, long_clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    outputs = ("--output", "-", "--output", "out.jsonl", "--annotate", "out.mp4")
    words = ("run", long_clip, "--model", tiny_artefact.folder, "--runner", runner, *outputs)

    with running(*words, cwd=tmp_path) as process:
        out, err = stop_in_the_middle(process, number)

    assert process.returncode == 1
    assert "stopping in good order" in err
    assert "posestream run: interrupted" in err
    assert "lost in the failure" not in err, "every frame that was read has an outcome"
    assert "Traceback" not in err
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert 0 < len(lines) < 400
    assert [json.loads(line) for line in out.splitlines()] == lines
    with av.open(tmp_path / "out.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == len(lines)
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", "out.mp4"}


def test_ctrl_c_before_the_first_frame_ends_the_process_and_nothing_is_written(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    """Nothing comes out of the pipe that is the source: opening it takes for ever."""
    os.mkfifo(tmp_path / "clip.ts")
    words = ("run", "clip.ts", "--model", tiny_artefact.folder, "--output", "out.jsonl")

    with (
        running(*words, "--annotate", "out.mp4", cwd=tmp_path) as process,
        (tmp_path / "clip.ts").open("wb"),  # waits for the one who reads
    ):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.ts"]


def test_a_second_signal_ends_the_process_at_once(
    long_clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    words = ("run", long_clip, "--model", tiny_artefact.folder, "--output", "-")

    with running(*words, cwd=tmp_path) as process:
        stream_of(process.stdout).readline()
        process.send_signal(signal.SIGINT)
        # Nobody reads the results any more, so the run cannot end in good order.
        assert any("stopping in good order" in line for line in stream_of(process.stderr))
        process.send_signal(signal.SIGINT)

        assert process.wait(TIMEOUT_SECONDS) == -signal.SIGINT


def test_a_reader_that_goes_away_ends_the_run_with_a_clear_error(
    long_clip: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    words = ("run", long_clip, "--model", tiny_artefact.folder, "--output", "-")

    with running(*words, cwd=tmp_path) as process:
        stream_of(process.stdout).readline()
        stream_of(process.stdout).close()
        err = stream_of(process.stderr).read()

        assert process.wait(TIMEOUT_SECONDS) == 1
    assert "the reader went away" in err.splitlines()[-1]
    assert "Traceback" not in err
