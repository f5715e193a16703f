import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from engines.engine import EngineSpec, Precision
from stream.clock import ManualClock
from stream.commands.open_parts import engine_fields, open_sinks, stream_name
from stream.commands.run_settings import RunSettings
from stream.errors import SinkError
from stream.metrics import Metrics
from tests.results import result_of


def settings(folder: Path, annotate: str) -> RunSettings:
    return RunSettings(
        source="clip.mp4",
        model="bottom_up",
        outputs=(str(folder / "a.jsonl"),),
        annotate=folder / annotate,
    )


def test_results_of_every_output_are_counted_by_its_kind(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, "1")
    sink = open_sinks(settings(tmp_path, "b.mp4"), metrics, live=False, clock=ManualClock())
    sink.publish(result_of(0))
    sink.close()
    for kind in ("jsonl", "mp4"):
        labels = {"sink": kind, "outcome": "acked"}
        assert registry.get_sample_value("posestream_sink_messages_total", labels) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.mp4"]


def test_an_output_that_cannot_be_opened_leaves_none_of_the_others(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="create the folder first"):
        open_sinks(settings(tmp_path, "no/b.mp4"), None, live=False, clock=ManualClock())
    assert list(tmp_path.iterdir()) == []


def test_the_engine_is_told_in_words() -> None:
    spec = EngineSpec("openvino", "2026.4", "bottom_up", Precision.BF16, 2, (512, 288))
    assert engine_fields(spec) == {
        "engine": "openvino",
        "version": "2026.4",
        "precision": "bf16",
        "threads": "2",
        "canvas": "512x288",
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/walk.mp4", "walk"),
        ("demo", "demo"),
        ("rtsp://joe:a/b?c#d[e@cam.local:554/live", "cam.local"),
        ("http://cam/a.mp4", "cam"),
        (
            "clips/caf\N{LATIN SMALL LETTER E WITH ACUTE}.mp4",
            "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
        ),
        (os.fsdecode(b"clips/caf\xe9.mp4"), r"caf\xe9"),
    ],
)
def test_a_stream_is_named_after_its_file_or_host(source: str, name: str) -> None:
    assert stream_name(source) == name
