import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from engines.artefact import Artefact, Thresholds
from engines.engine import EngineSpec, Precision
from stream.clock import ManualClock
from stream.commands.open_parts import engine_fields, new_tracker, open_sinks, stream_name
from stream.commands.run_settings import RunSettings
from stream.errors import SinkError
from stream.metrics import Metrics
from stream.pose import FramePoses
from tests.results import result_of, standing_person


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
    spec = EngineSpec(
        "openvino", "2026.4", "bottom_up", Precision.BF16, 2, (512, 288), result_bytes=6240
    )
    assert engine_fields(spec) == {
        "engine": "openvino",
        "version": "2026.4",
        "precision": "bf16",
        "threads": "2",
        "canvas": "512x288",
        "result_bytes": "6240",
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


@pytest.mark.parametrize(("min_score", "frames"), [(0.2, 1), (0.5, 2), (0.7, None)])
def test_the_tracker_knows_from_which_score_the_model_is_sure(
    min_score: float, frames: int | None, tiny_artefact: Artefact
) -> None:
    """The same person of score 0.55: sure at once, only when seen again, or nobody."""
    thresholds = Thresholds(min_score=min_score, nms_oks=0.5)
    tracker = new_tracker(tiny_artefact.manifest.model_copy(update={"thresholds": thresholds}))
    person = replace(standing_person().pose, score=0.55)

    shown = [
        len(tracker.update(FramePoses("clip", 0, index, (person,)), index / 25))
        for index in range(3)
    ]
    assert shown == [int(frames is not None and index + 1 >= frames) for index in range(3)]


def test_a_weak_pose_continues_a_track_but_starts_none(tiny_artefact: Artefact) -> None:
    thresholds = Thresholds(min_score=0.3, start_score=0.6, nms_oks=0.5)
    manifest = tiny_artefact.manifest.model_copy(update={"thresholds": thresholds})
    strong, weak = (replace(standing_person().pose, score=score) for score in (0.9, 0.35))
    alone, after = new_tracker(manifest), new_tracker(manifest)

    assert [len(alone.update(FramePoses("c", 0, i, (weak,)), i / 25)) for i in range(3)] == [0] * 3
    row = [
        len(after.update(FramePoses("c", 0, index, (pose,)), index / 25))
        for index, pose in enumerate((strong, weak, weak))
    ]
    assert row == [1, 1, 1]


def test_the_tracker_smooths_if_told_to(tiny_artefact: Artefact) -> None:
    first, second = (standing_person(1, (x, 24.0)).pose for x in (32.0, 32.4))
    for smooth in (False, True):
        tracker = new_tracker(tiny_artefact.manifest, smooth=smooth)
        tracker.update(FramePoses("clip", 0, 0, (first,)), 0.0)
        [tracked] = tracker.update(FramePoses("clip", 0, 1, (second,)), 0.04)
        measured = np.array_equal(tracked.pose.keypoints_px, second.keypoints_px)
        assert measured is not smooth
