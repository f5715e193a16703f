"""Runs `posestream` as users do: as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 240.0
"""Long enough for a busy machine; reached only if a test fails."""
COMMAND = [sys.executable, "-m", "stream"]
REPOSITORY = Path(__file__).parent.parent


def environment() -> dict[str, str]:
    """A plain terminal of 100 columns that has the working tree on its path."""
    plain = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONPATH": str(REPOSITORY)}
    return os.environ | plain


def posestream(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs to the end."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@contextmanager
def running(*words: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that still runs; killed at the end of the block if it has not ended by then."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The results in a file."""
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def assert_one_line_error(
    finished: subprocess.CompletedProcess[str], code: int, *words: str
) -> None:
    """An expected failure: its exit code, one line about it, nothing on standard output."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("posestream: "), finished.stderr
    for word in words:
        assert word in last
