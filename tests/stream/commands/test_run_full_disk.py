"""Places that take no file, or no more of it: what was written keeps the name `.partial`."""

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.artefact import Artefact
from tests.command_line import (
    COMMAND,
    TIMEOUT_SECONDS,
    assert_one_line_error,
    environment,
    posestream,
    read_lines,
)

pytestmark = pytest.mark.slow

FAILED = 1
FRAMES = 24
FILE_LIMIT_BYTES = 2500
OPTION = {"out.jsonl": "--output", "out.mp4": "--annotate"}


@pytest.fixture(scope="session")
def grain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that no encoder can make small."""
    folder = tmp_path_factory.mktemp("clips") / "grain"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for index in range(FRAMES):
        picture = noise.integers(0, 255, (240, 320, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


def run_with(
    words: list[object], cwd: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        preexec_fn=before,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_whole_lines(path: Path, fewer_than: int) -> None:
    lines = read_lines(path)
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert 0 < len(lines) < fewer_than


def test_a_disk_that_is_full_keeps_the_results_so_far_up_to_a_whole_line(
    long_clip: Path, tiny_disk: Path, tiny_artefact: Artefact
) -> None:
    words = ["run", long_clip, "--model", tiny_artefact.folder, "--output", "out.jsonl"]
    finished = run_with(words, tiny_disk)

    remedy = ("No space left", "free space")
    assert_one_line_error(finished, FAILED, "out.jsonl.partial", *remedy)
    assert "output_kept_partial" in finished.stderr
    assert names(tiny_disk) == {"out.jsonl.partial"}
    assert_whole_lines(tiny_disk / "out.jsonl.partial", fewer_than=400)


def test_a_disk_that_is_full_keeps_the_video_so_far(
    grain: Path, tiny_disk: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    words = ["run", grain, "--model", tiny_artefact.folder, "--annotate", tiny_disk / "out.mp4"]
    finished = run_with(words, tmp_path)

    remedy = ("No space left", "free space")
    assert_one_line_error(finished, FAILED, "out.mp4.partial", *remedy)
    assert names(tiny_disk) == {"out.mp4.partial"}
    assert (tiny_disk / "out.mp4.partial").stat().st_size > 0


@pytest.mark.parametrize("name", OPTION)
def test_a_file_that_may_grow_no_more_is_kept_and_named(
    name: str, grain: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    """As a full disk, where no disk of its own can be had: the write fails in the same place."""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))

    words = ["run", grain, "--model", tiny_artefact.folder, OPTION[name], name]
    finished = run_with(words, tmp_path, limit_files)

    assert_one_line_error(finished, FAILED, f"{name}.partial", "File too large")
    assert names(tmp_path) == {f"{name}.partial"}
    if name == "out.jsonl":
        assert_whole_lines(tmp_path / f"{name}.partial", fewer_than=FRAMES)


@pytest.mark.parametrize("name", OPTION)
def test_a_folder_that_nobody_may_write_to_is_named_before_the_first_frame(
    name: str, clip: Path, read_only_folder: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    place = read_only_folder / name
    other = OPTION["out.jsonl" if name == "out.mp4" else "out.mp4"]
    fine = "fine.jsonl" if name == "out.mp4" else "fine.mp4"

    words = ("run", clip, "--model", tiny_artefact.folder, OPTION[name], place, other, fine)
    finished = posestream(*words, cwd=tmp_path)

    assert_one_line_error(finished, FAILED, str(place), "nothing was written", "choose a folder")
    assert names(tmp_path) - {read_only_folder.name} == set()
    assert names(read_only_folder) == set()


def test_a_failed_run_leaves_an_older_file_of_that_name_alone(
    long_clip: Path, tiny_disk: Path, tiny_artefact: Artefact
) -> None:
    (tiny_disk / "out.jsonl").write_text("from yesterday\n", "ascii")

    words = ["run", long_clip, "--model", tiny_artefact.folder, "--output", "out.jsonl"]
    finished = run_with(words, tiny_disk)

    assert finished.returncode == FAILED
    assert (tiny_disk / "out.jsonl").read_text("ascii") == "from yesterday\n"
