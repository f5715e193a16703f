"""What a running daemon tells Prometheus, and what its documentation says of that."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from engines.artefact import Artefact
from stream.job_metrics import JobMetrics
from stream.metrics import Metrics
from tests.drawn_clips import write_drawn_clip
from tests.running_camera import running_camera
from tests.running_daemon import running_daemon, write_site

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
OF_JOBS = "batch_job_"
ONLY_ON_EVENTS = {
    "engine_steps_down": "a precision that disagrees with the reference",
    "engine_fallbacks": "a GPU without an engine for it, or a package that is missing",
    "engine_parity_error_pixels": "the tiny model finds nobody among the drawn people",
}


def declared() -> set[str]:
    """Names as they are scraped, without the prefix."""
    registry = CollectorRegistry()
    Metrics(registry, "1")
    JobMetrics(registry, "night")
    endings = {"counter": "_total", "info": "_info"}
    return {
        family.name.removeprefix("posestream_") + endings.get(family.type, "")
        for family in registry.collect()
    }


def told(scraped: str, name: str, **labels: str) -> float | None:
    """One value of a scrape."""
    for family in text_string_to_metric_families(scraped):
        for sample in family.samples:
            if sample.name == f"posestream_{name}" and sample.labels == labels:
                return float(sample.value)
    return None


def test_the_page_names_exactly_what_there_is() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text("utf-8").splitlines() if "| `" in line]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == declared()


@pytest.mark.slow
def test_every_metric_of_a_running_daemon_has_something_to_tell(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    clip = write_drawn_clip(tmp_path / "walk.mp4", 50)
    with running_camera([clip, clip], "jump:at=1,seconds=-30,on=cam1") as addresses:
        streams: list[dict[str, Any]] = [
            {"name": f"cam{n}", "url": url, "max_fps": 5, "model": str(tiny_artefact.folder)}
            for n, url in enumerate(addresses)
        ]
        with running_daemon(write_site(tmp_path, streams)) as daemon:
            for stream in ("cam0", "cam1"):
                daemon.wait_for_results(stream, 3)

            def has(name: str, **labels: str) -> None:
                daemon.wait(lambda: told(daemon.metrics(), name, **labels), name)

            has("stream_time_jumps_total", stream="cam1", kind="back")
            has("sink_messages_total", sink="jsonl", outcome="acked")
            has("process_cpu_seconds_total", process="engine")
            scraped = daemon.metrics()
            assert daemon.stop() == 0
    families = {
        family.name.removeprefix("posestream_")
        for family in text_string_to_metric_families(scraped)
        if family.samples
    }
    wanted = {re.sub("_total$", "", name) for name in declared()}
    silent = {name for name in wanted - families if not name.startswith(OF_JOBS)}
    assert silent <= set(ONLY_ON_EVENTS)
    assert str(tmp_path.parent) not in scraped
    assert told(scraped, "stream_time_jumps_total", stream="cam0", kind="back") == 0
    assert told(scraped, "process_restarts_total", process="engine", reason="hang") == 0
    assert told(scraped, "engine_build_seconds", model=tiny_artefact.folder.name)
    # Between two processes a picture is shared once and drawn once; there is no GPU.
    for step in ("share", "render"):
        assert told(scraped, "pixel_copies_total", step=step)
        assert told(scraped, "pixel_copied_bytes_total", step=step)
    assert told(scraped, "pixel_copies_total", step="upload") == 0
    assert told(scraped, "result_bytes_total", model="tiny")
    for process in ("supervisor", "engine", "decoder-0"):
        assert told(scraped, "process_memory_bytes", process=process)
