"""Files that `posestream run` reads although something is wrong with them, or with their name."""

import os
import re
from pathlib import Path

import av
import jsonschema
import pytest

from engines.artefact import Artefact
from stream.wire import result_schema
from tests.command_line import posestream, read_lines
from tests.free_ports import free_port
from tests.media import cut_off, with_damage, without_index_at_end, write_video
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

FRAMES = 60
NOT_UTF8 = os.fsdecode(b"caf\xe9_\xff")
CLEAN = r"caf\xe9_\xff"
"""The stream's name of such a file: every wrong byte as people write it."""


@pytest.fixture
def odd_clip(clip: Path, tmp_path: Path) -> Path:
    odd = tmp_path / f"{NOT_UTF8}.mp4"
    odd.write_bytes(clip.read_bytes())
    return odd


@pytest.mark.parametrize("runner", ["inline", "concurrent"])
def test_lost_packets_in_the_middle_are_counted_and_the_run_goes_on(
    runner: str, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    """The key frame after the damage, at 30, mends the picture; lost frames leave a gap in time."""
    whole = write_video(tmp_path / "whole.mp4", frames=FRAMES)
    with_damage(whole, tmp_path / "damaged.mp4", [23, 24])

    options = ("--output", "out.jsonl", "--annotate", "out.mp4", "--runner", runner)
    finished = posestream(
        "run", "damaged.mp4", "--model", tiny_artefact.folder, *options, cwd=tmp_path
    )

    assert finished.returncode == 0, finished.stderr
    assert re.search(r"corrupt packets +│ 2 ", finished.stderr)
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["frame"] for line in lines] == list(range(FRAMES - 2))
    assert lines[-1]["pts_seconds"] == pytest.approx((FRAMES - 1) / 25)
    assert {line["outcome"] for line in lines} == {"inferred"}
    with av.open(tmp_path / "out.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == len(lines)


def test_frames_that_the_decoder_patched_up_have_lines_without_people(
    tmp_path: Path, tiny_artefact: Artefact
) -> None:
    whole = write_video(tmp_path / "whole.avi", "mpeg4", frames=30, b_frames=2)
    with_damage(whole, tmp_path / "damaged.avi", [13], begin_share=0.5)

    words = ("run", "damaged.avi", "--model", tiny_artefact.folder, "--output", "out.jsonl")
    finished = posestream(*words, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["frame"] for line in lines] == list(range(30))
    corrupt = [line for line in lines if line["outcome"] == "corrupt"]
    assert 0 < len(corrupt) < 10
    assert all(line["poses"] == [] for line in corrupt)
    assert f"{30 - len(corrupt)} inferred, {len(corrupt)} corrupt" in finished.stderr


def test_a_file_that_was_cut_off_gives_what_is_there_and_says_so(
    tmp_path: Path, tiny_artefact: Artefact
) -> None:
    whole = write_video(tmp_path / "whole.mp4", frames=80)
    cut_off(without_index_at_end(whole, tmp_path / "front.mp4"), tmp_path / "cut.mp4", 0.5)

    words = ("run", "cut.mp4", "--model", tiny_artefact.folder, "--output", "out.jsonl")
    finished = posestream(*words, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert "source_ended_early" in finished.stderr
    lines = read_lines(tmp_path / "out.jsonl")
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    assert 10 < len(lines) < 70


def test_a_file_name_that_is_no_utf8_gives_a_clean_stream_name(
    odd_clip: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    place = tmp_path / NOT_UTF8
    place.mkdir()
    outputs = ("--output", place / f"{NOT_UTF8}.jsonl", "--annotate", place / f"{NOT_UTF8}.mp4")

    words = ("run", odd_clip, "--model", tiny_artefact.folder, *outputs)
    finished = posestream(*words, cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert {path.suffix for path in place.iterdir()} == {".jsonl", ".mp4"}
    lines = read_lines(place / f"{NOT_UTF8}.jsonl")
    assert {line["stream"] for line in lines} == {CLEAN}
    for line in lines:
        jsonschema.validate(line, result_schema())
        str(line).encode("utf-8")


def test_such_a_file_goes_to_redis_and_is_counted_too(
    odd_clip: Path, tmp_path: Path, tiny_artefact: Artefact, redis_server: RedisServer
) -> None:
    words = ("run", odd_clip, "--model", tiny_artefact.folder, "--output", redis_server.location())
    finished = posestream(*words, "--metrics-port", free_port(), cwd=tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert len(redis_server.results(CLEAN)) == 30


def test_errors_about_such_a_file_are_one_line_too(
    odd_clip: Path, tmp_path: Path, tiny_artefact: Artefact
) -> None:
    odd_clip.write_bytes(b"")
    finished = posestream("run", odd_clip, "--model", tiny_artefact.folder, cwd=tmp_path)

    assert finished.returncode == 1
    [line] = finished.stderr.splitlines()
    assert line.startswith("posestream: ")
    assert "the file is empty" in line
