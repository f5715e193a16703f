"""All benches write one form; what each of them says is checked on made-up measurements."""

import argparse
import json
import re
from pathlib import Path

import pytest

from builders.evaluation.report import CLIPS
from stream.clock import ManualClock
from tests.bench import (
    bench_accuracy,
    bench_batch,
    bench_engines,
    bench_ingest,
    bench_memory,
    bench_run,
)
from tests.bench.readme_table import table
from tests.bench.report import Figure, commit, make_report, write_report
from tests.media import write_video


def test_a_report_says_when_where_and_of_which_commit() -> None:
    clock = ManualClock(wall=1_795_219_200.0)  # the 21st of November 2026, midnight in Greenwich
    report = make_report("run", [Figure("Speed", 12.34567, "frames/s")], {"rounds": 3}, clock)

    assert report["measured"] == "2026-11-21"
    assert report["commit"] == report["details"]["commit"] == commit()
    assert report["hardware"].endswith(" threads")
    assert report["figures"] == [{"name": "Speed", "value": 12.3457, "unit": "frames/s"}]
    assert report["details"]["bench"] == "run"
    assert report["details"]["rounds"] == 3


def test_a_commit_is_named_by_its_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}(-changed)?|unknown(-changed)?", commit())


def test_a_figure_says_only_what_there_is_to_say() -> None:
    plain = {"name": "Size", "value": 590, "unit": "MB"}
    assert Figure("Size", 590.0, "MB").as_json() == plain
    assert Figure("Size", 590.0, "MB", readme=True).as_json() == plain | {"readme": True}
    spread = Figure("Size", 590.0, "MB", quartiles=(580.0, 601.5)).as_json()
    assert spread == plain | {"quartiles": [580, 601.5]}


def test_a_written_report_feeds_the_table_of_the_readme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results" / "run.json"
    shown = Figure("Whole run", 25.5, "frames/s", readme=True)
    write_report("run", [shown, Figure("Inline", 20, "frames/s")], {}, out)

    assert json.loads(out.read_text("utf-8")) == json.loads(capsys.readouterr().out)
    [row] = table(out.parent).splitlines()[2:]
    assert row.startswith("| Whole run | 25.5 frames/s | ")


def test_the_figures_of_a_run_are_the_medians_of_its_rounds() -> None:
    keys = ("decode_fps", "engine_fps", "run_fps", "inline_fps", "run_of_slowest_part")
    rounds = [dict.fromkeys(keys, value) for value in (3.0, 1.0, 2.0)]
    found = bench_run.figures("bottom_up", "walk.mp4 (64x48)", rounds)
    assert {figure.value for figure in found} == {2.0}
    assert sum(figure.readme for figure in found) == 2


def test_the_figures_of_memory_are_its_slope_and_its_end() -> None:
    """3 MB a minute after a jump during warm-up."""
    seconds = map(float, range(600))
    samples = [(now, 20.0 if now < 50 else 100 + 3 * now / 60) for now in seconds]
    slope, end = bench_memory.figures(10.0, samples)
    assert slope.value == pytest.approx(3.0)
    assert end.value == pytest.approx(100 + 3 * 599 / 60)


def test_the_readme_shows_engines_at_single_pictures() -> None:
    times = [
        {"engine": "openvino", "precision": "bf16", "batch": batch, "median_ms_per_picture": 9.5}
        for batch in (1, 8)
    ]
    assert [f.readme for f in bench_engines.figures("bottom_up", times)] == [True, False]


def test_the_figures_of_a_job_are_the_medians_of_its_rounds() -> None:
    arguments = argparse.Namespace(model="bottom_up", clips=["a", "b"], jobs=2)
    rounds = [{"job_fps": value, "job_of_slowest_part": value / 10} for value in (9.0, 7.0, 8.0)]
    assert [figure.value for figure in bench_batch.figures(arguments, rounds)] == [8.0, 0.8]


def test_the_figures_of_accuracy_are_ap_and_not_what_a_model_says_of_clips() -> None:
    systems = ("bottom_up", "movenet_multipose_256")
    report = {name: {system: {"AP": 0.4} for system in systems}
              for name in ("coco_kp/val", "mixed_val/val")}  # fmt: skip
    report |= {name: {system: {"recall": 0.9} for system in systems} for name in CLIPS}

    found = {figure.name: figure for figure in bench_accuracy.figures(report)}

    assert len(found) == 4
    assert found["AP of movenet_multipose_256 on coco_kp/val"].value == 0.4
    assert all(figure.readme for figure in found.values())


def test_the_ways_to_the_canvas_agree_on_a_clip(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", frames=5, size=(640, 360))
    measured = bench_ingest.measure(clip, count=3, rounds=1)

    assert measured["canvas"] == (512, 288)
    assert set(measured["median_ms"]) == {"planes first", "swscale", "RGB first"}
    assert len(bench_ingest.figures([measured])) == 3


def test_ways_that_disagree_are_told() -> None:
    apart = {"swscale": {"mean": 1.0, "p99": 5.0}, "RGB first": {"mean": 40.0, "p99": 5.0}}
    assert bench_ingest.disagreements(apart) == ["RGB first: {'mean': 40.0, 'p99': 5.0}"]
