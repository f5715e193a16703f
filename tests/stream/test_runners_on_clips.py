"""Real clips through a real engine and the real tracker: both runners write the same lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.ingest.open_source import open_source
from stream.inline import run_inline
from stream.pipeline import Run, RunEnd, Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.jsonl_sink import JsonlSink
from stream.tracking.tracker import Tracker
from stream.worker import run_concurrent

CLIPS = (
    "corridor_two_walking_480x270_h264",
    "lab_one_person_cam02_vp9",
    "lab_two_persons_cam01_h264",
    "one_by_one_persons_h264",
    "park_walk_sidecam_vp9",
    "store_aisle_480x270_h264",
    "street_static_vtest_h264",
    "street_static_vtest_h265_200f",
    "studio_squats_5fps_h264",
    "worker_zone_480x270_h264",
)
FRAMES = 40


def written(
    runner: Callable[[Run], RunEnd], clip: Path, artefact: Artefact, batch: int, out: Path
) -> bytes:
    clock = SystemClock()
    estimator = OnePassEstimator(
        artefact,
        lambda canvas: open_engine(artefact, canvas=canvas, threads=1),
        clock=clock,
        batch_size=batch,
    )
    run = Run(
        source=open_source(str(clip), stream=clip.stem, clock=clock),
        estimator=estimator,
        new_tracker=Tracker,
        sink=JsonlSink(out),
        observer=RunStatistics(clock),
        clock=clock,
        stop=StopRequest(),
        selection=Selection(stride=2, max_frames=FRAMES),
    )
    assert runner(run) is RunEnd.COMPLETED
    estimator.close()
    return out.read_bytes()


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("clip", CLIPS)
def test_both_runners_write_the_same_lines_for_a_clip(
    clip: str, batch: int, shared_data: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    path = shared_data / "videos" / f"{clip}.mp4"

    inline = written(run_inline, path, tiny_artefact, batch, tmp_path / "inline.jsonl")
    concurrent = written(run_concurrent, path, tiny_artefact, batch, tmp_path / "concurrent.jsonl")

    assert inline.count(b"\n") == FRAMES
    assert b'"poses":[{' in inline
    assert concurrent == inline


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_both_runners_write_the_same_lines_with_the_model_that_ships(
    batch: int, shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / "videos" / "store_aisle_480x270_h264.mp4"
    artefact = find_model("bottom_up")

    inline = written(run_inline, path, artefact, batch, tmp_path / "inline.jsonl")
    concurrent = written(run_concurrent, path, artefact, batch, tmp_path / "concurrent.jsonl")

    assert b'"poses":[{' in inline
    assert concurrent == inline
