"""What `posestream run` refuses, or cannot finish: one clear line, nothing half-written."""

import re
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.artefact import Artefact
from tests.broken_files import BROKEN, Make
from tests.command_line import assert_one_line_error, posestream, read_lines
from tests.free_ports import free_port

pytestmark = pytest.mark.slow

FAILED, WRONG_USE = 1, 2
OUTPUTS = ("--output", "out.jsonl", "--annotate", "out.mp4")


@pytest.mark.parametrize(
    ("make", "words"), BROKEN.items(), ids=lambda one: str(getattr(one, "__name__", ""))
)
def test_what_is_no_good_video_is_refused_with_a_remedy_and_nothing_is_written(
    make: Make, words: str, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    make(tmp_path / "clip.mp4")
    there = set(tmp_path.iterdir())

    options = ("run", "clip.mp4", "--model", tiny_artefact.folder, *OUTPUTS)
    finished = posestream(*options, cwd=tmp_path)

    assert_one_line_error(finished, FAILED, "clip.mp4")
    assert re.search(words, finished.stderr)
    assert set(tmp_path.iterdir()) == there


def test_an_unknown_model_is_refused_with_the_nearest_name(clip: Path, tmp_path: Path) -> None:
    finished = posestream("run", clip, "--model", "botom_up", *OUTPUTS, cwd=tmp_path)

    assert_one_line_error(finished, FAILED, "botom_up", "did you mean", "bottom_up")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--output", "missing/out.jsonl"), FAILED, "create the folder first"),
        (("--annotate", "missing/out.mp4"), FAILED, "create the folder first"),
        (("--output", "good.jsonl", "--annotate", "missing/out.mp4"), FAILED, "folder"),
        (("--output", "/proc/out.jsonl"), FAILED, "/proc/out.jsonl"),
        (("--output", "out.csv"), WRONG_USE, "out.csv"),
        (("--output", "kafka://broker/1"), WRONG_USE, "kafka"),
        (("--annotate", "out.avi"), WRONG_USE, ".mp4"),
        (("--output", "a.jsonl", "--output", "a.jsonl"), WRONG_USE, "two outputs"),
        (("--threads", "4000"), WRONG_USE, "4000"),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_written(
    options: tuple[str, ...],
    code: int,
    word: str,
    clip: Path,
    tmp_path: Path,
    tiny_artefact: Artefact,
) -> None:
    words = ("run", clip, "--model", tiny_artefact.folder, *options)
    finished = posestream(*words, cwd=tmp_path)

    assert_one_line_error(finished, code, word)
    assert list(tmp_path.iterdir()) == []


def test_a_redis_server_that_is_not_there_is_named_without_its_password(
    clip: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    port = free_port()
    redis = f"redis://joe:s3cret@127.0.0.1:{port}/0"

    words = ("run", clip, "--model", tiny_artefact.folder, "--output", redis)
    finished = posestream(*words, cwd=tmp_path)

    assert_one_line_error(finished, FAILED, str(port), "Connection refused", "start the server")
    assert "s3cret" not in finished.stderr


def test_a_metrics_port_that_is_taken_is_refused(
    clip: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        words = ("run", clip, "--model", tiny_artefact.folder, "--metrics-port", port, *OUTPUTS)
        finished = posestream(*words, cwd=tmp_path)

    assert_one_line_error(finished, WRONG_USE, f"metrics port {port}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (127, 95), (8000, 4000)])
def test_pictures_of_any_size_are_run(
    size: tuple[int, int], tmp_path: Path, tiny_artefact: Artefact
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    width, height = size
    cv2.imwrite(str(pictures / "0.png"), np.full((height, width, 3), 40, np.uint8))

    words = ("run", "pictures", "--model", tiny_artefact.folder, *OUTPUTS)
    finished = posestream(*words, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    [line] = read_lines(tmp_path / "out.jsonl")
    assert (line["width"], line["height"], line["outcome"]) == (width, height, "inferred")
