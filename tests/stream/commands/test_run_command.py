"""`posestream run` as users start it, when all goes well; see `test_run_refusals.py` else."""

import re
import subprocess
from pathlib import Path
from urllib.request import urlopen

import av
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engines.artefact import Artefact
from stream.ingest.video_hardware import has_nvidia_device
from stream.wire import result_schema
from tests.command_line import posestream, read_lines, running
from tests.drawn_clips import FPS, HEIGHT, WIDTH, person_at
from tests.free_ports import free_port


@pytest.fixture
def model(tiny_artefact: Artefact) -> list[object]:
    return ["--model", tiny_artefact.folder]


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_done(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 0, finished.stderr


def test_every_frame_is_a_line_with_the_person_tracked(
    clip: Path, model: list[object], tmp_path: Path
) -> None:
    finished = posestream("run", clip, *model, "--output", "walk.jsonl", cwd=tmp_path)

    assert_done(finished)
    assert finished.stdout == ""
    assert "wrote walk.jsonl" in finished.stderr
    assert "30 inferred" in finished.stderr
    assert files_in(tmp_path) == {"walk.jsonl"}
    lines = read_lines(tmp_path / "walk.jsonl")
    assert len(lines) == 30
    for index, line in enumerate(lines):
        jsonschema.validate(line, result_schema())
        assert (line["stream"], line["frame"], line["model"]) == ("walk", index, "tiny")
        assert (line["width"], line["height"]) == (WIDTH, HEIGHT)
        assert line["pts_seconds"] == pytest.approx(index / FPS, abs=1e-3)
        [pose] = line["poses"]
        assert pose["track"] == 1
        # Joint 5 of the tiny model lies 20 px left and 40 px above the square's middle.
        x, y = person_at(index)
        assert pose["keypoints"][5][:2] == pytest.approx([x - 20, y - 40], abs=1.5)


@pytest.mark.slow
@pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")
def test_nvdec_without_a_gpu_says_why_the_processor_decodes(
    clip: Path, model: list[object], tmp_path: Path
) -> None:
    finished = posestream("run", clip, *model, "--decode", "nvdec", cwd=tmp_path)

    assert_done(finished)
    assert "30 inferred" in finished.stderr
    assert finished.stderr.count("decode_stepped_down") == 1
    assert "open_failed" in finished.stderr


@pytest.mark.slow
def test_results_on_standard_output_stand_alone(
    clip: Path, model: list[object], tmp_path: Path
) -> None:
    options = ("--output", "-", "--max-frames", 3, "--quiet")
    finished = posestream("run", clip, *model, *options, cwd=tmp_path)

    assert_done(finished)
    assert len(finished.stdout.splitlines()) == 3
    assert finished.stderr == ""


@pytest.mark.slow
def test_skipped_frames_have_lines_too(clip: Path, model: list[object], tmp_path: Path) -> None:
    options = ("--stride", 3, "--max-frames", 8, "--output", "some.jsonl")
    finished = posestream("run", clip, *model, *options, cwd=tmp_path)

    assert_done(finished)
    outcomes = [line["outcome"][0] for line in read_lines(tmp_path / "some.jsonl")]
    assert "".join(outcomes) == "ississis"
    assert "8  (3 inferred, 5 skipped)" in finished.stderr


@pytest.mark.parametrize("options", [(), ("--batch", 3), ("--smooth",), ("--stride", 2)])
@pytest.mark.slow
def test_both_runners_write_the_same_file(
    clip: Path, model: list[object], tmp_path: Path, options: tuple[object, ...]
) -> None:
    for runner in ("inline", "concurrent"):
        words = ("--runner", runner, "--output", f"{runner}.jsonl", *options)
        assert_done(posestream("run", clip, *model, *words, cwd=tmp_path))

    inline, concurrent = (tmp_path / f"{name}.jsonl" for name in ("inline", "concurrent"))
    assert inline.read_bytes() == concurrent.read_bytes()


@pytest.mark.slow
def test_several_outputs_and_the_video_are_written_at_once(
    clip: Path, model: list[object], tmp_path: Path
) -> None:
    options = ("--output", "a.jsonl", "--output", "b.jsonl", "--annotate", "seen.mp4")
    finished = posestream("run", clip, *model, *options, cwd=tmp_path)

    assert_done(finished)
    assert files_in(tmp_path) == {"a.jsonl", "b.jsonl", "seen.mp4"}
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    with av.open(tmp_path / "seen.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == 30


@pytest.mark.slow
def test_without_an_output_nothing_is_written_and_the_summary_says_how(
    clip: Path, model: list[object], tmp_path: Path
) -> None:
    finished = posestream("run", clip, *model, "--max-frames", 2, cwd=tmp_path)

    assert_done(finished)
    assert files_in(tmp_path) == set()
    assert "nothing was written; keep the results with --output" in finished.stderr


@pytest.mark.slow
def test_metrics_are_served_while_it_runs(
    long_clip: Path, model: list[object], tmp_path: Path
) -> None:
    port = free_port()
    options = ("--output", "-", "--metrics-port", port)

    with running("run", long_clip, *model, *options, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()  # a result is there, and the pipe will be full before the end
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            page = answer.read().decode()

    assert 'posestream_stream_frames_total{outcome="inferred",stream="long"}' in page
    assert 'posestream_stage_seconds_count{stage="infer"}' in page
    assert 'posestream_sink_messages_total{outcome="acked",sink="stdout"}' in page
    assert re.search(r'posestream_engine_info{canvas="\d+x\d+",engine=', page)
    assert re.search(r'posestream_build_info{version="\d', page)
    # On the processor every frame is drawn onto a canvas, and nothing else is copied.
    values = {
        name: {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == f"posestream_{name}_total"
        }
        for name in ("pixel_copies", "pixel_copied_bytes", "result_bytes")
    }
    drawn = values["pixel_copies"].pop(("render",))
    assert drawn > 0
    assert set(values["pixel_copies"].values()) == {0}
    assert values["pixel_copied_bytes"][("render",)] == drawn * WIDTH * HEIGHT * 3
    assert 0 < values["result_bytes"][("tiny",)] <= drawn * 30 * (17 * 3 + 1) * 4


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.slow
def test_the_engine_asked_for_is_the_one_that_runs(
    clip: Path, model: list[object], tmp_path: Path, engine: str
) -> None:
    options = ("--engine", engine, "--precision", "fp32", "--threads", 1, "--max-frames", 2)
    finished = posestream("run", clip, *model, *options, cwd=tmp_path)

    assert_done(finished)
    assert f"on {engine} " in finished.stderr
    assert "fp32, 1 thread\n" in finished.stderr
