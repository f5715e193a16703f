import os
import urllib.request
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from engines.artefact import Artefact
from stream.job_metrics import JobMetrics
from stream.jobs.job_progress import ProgressNow
from tests.command_line import running
from tests.drawn_clips import write_drawn_clip
from tests.free_ports import free_port


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    labels = {"batch_job": "night", **labels}
    return registry.get_sample_value(f"posestream_batch_job_{name}", labels)


def so_far(done: int, failed: int, frames: int, eta: float | None) -> ProgressNow:
    return ProgressNow(9, done, failed, ("a.mp4",), frames, 25.0, 0.5, eta)


def test_counts_begin_at_zero_and_nothing_is_foretold() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry, "night")
    assert value(registry, "files_total", outcome="done") == 0
    assert value(registry, "files_total", outcome="failed") == 0
    assert value(registry, "frames_total") == 0
    assert value(registry, "eta_seconds") is None


def test_progress_is_told_once() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry, "night")
    metrics.progressed(so_far(2, 0, 40, None))
    assert value(registry, "eta_seconds") is None
    metrics.progressed(so_far(3, 1, 70, 12.5))
    metrics.progressed(so_far(3, 1, 70, 12.5))
    assert value(registry, "files_total", outcome="done") == 3
    assert value(registry, "files_total", outcome="failed") == 1
    assert value(registry, "frames_total") == 70
    assert value(registry, "all_files") == 9
    assert value(registry, "running_files") == 1
    assert value(registry, "progress_ratio") == 0.5
    assert value(registry, "eta_seconds") == 12.5


@pytest.mark.slow
def test_a_job_that_runs_can_be_scraped(tiny_artefact: Artefact, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    clip = write_drawn_clip(tmp_path / "walk.mp4", 200)
    for number in range(100):  # more than any machine reads before it is asked
        os.link(clip, tmp_path / "clips" / f"{number}.mp4")
    port, pause, scraped = free_port(), Event(), ""
    words = ("-o", "night", "--model", tiny_artefact.folder, "--metrics-port", port)
    with running("batch", "clips", *words, cwd=tmp_path) as process:
        while "posestream_batch_job_eta_seconds{" not in scraped:
            assert process.poll() is None
            pause.wait(0.02)
            with (
                suppress(OSError),  # it does not listen yet
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as told,
            ):
                scraped = told.read().decode()
    assert 'posestream_batch_job_files_total{batch_job="night",outcome="failed"} 0.0' in scraped
    assert 'posestream_batch_job_all_files{batch_job="night"} 100.0' in scraped
