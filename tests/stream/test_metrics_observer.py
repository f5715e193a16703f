import pytest
from prometheus_client import CollectorRegistry

from stream.clock import ManualClock
from stream.frame import Outcome
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.metrics import Metrics, Stage
from stream.metrics_observer import MetricsObserver
from stream.observer import Observer
from tests.results import CAPTURE_SECONDS, result_of, standing_person


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def observer(registry: CollectorRegistry) -> MetricsObserver:
    clock = ManualClock(wall=CAPTURE_SECONDS + 0.5)
    return MetricsObserver(Metrics(registry, "1"), "clip", batch_capacity=4, clock=clock)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"posestream_{name}", labels)


def test_a_published_frame_counts_with_its_people_and_age(
    registry: CollectorRegistry, observer: MetricsObserver
) -> None:
    seen: Observer = observer
    result = result_of(0, standing_person(1), standing_person(2))
    seen.frame_read(result.frame)
    seen.batch(3)
    seen.published(result)
    seen.published(result_of(1, outcome=Outcome.CORRUPT))
    assert value(registry, "stream_frames_total", stream="clip", outcome="inferred") == 1
    assert value(registry, "stream_frames_total", stream="clip", outcome="corrupt") == 1
    last_seconds = value(registry, "stream_last_frame_timestamp_seconds", stream="clip")
    assert last_seconds == CAPTURE_SECONDS
    assert value(registry, "persons_total", stream="clip") == 2
    assert value(registry, "result_age_seconds_sum") == 0.5
    assert value(registry, "batch_fill_ratio_sum") == 0.75


def test_tracks_are_counted_once_and_anew_in_each_epoch(
    registry: CollectorRegistry, observer: MetricsObserver
) -> None:
    for epoch, tracks in ((0, [1]), (0, [1, 3]), (0, [2]), (1, [1, 2]), (1, [])):
        people = [standing_person(track) for track in tracks]
        observer.published(result_of(0, *people, epoch=epoch))
    assert value(registry, "tracks_total", stream="clip") == 3 + 2


def test_every_stage_has_its_histogram(
    registry: CollectorRegistry, observer: MetricsObserver
) -> None:
    for stage in Stage:
        observer.stage(stage.value, 0.25)
        assert value(registry, "stage_seconds_sum", stage=stage.value) == 0.25


def test_queues_corrupt_packets_and_decode_steps_are_passed_on(
    registry: CollectorRegistry, observer: MetricsObserver
) -> None:
    observer.queue("decoded", 3, 8)
    observer.packets_corrupt(2)
    observer.decode_stepped_down(DecodeRung.DOWNLOAD, StepReason.OPEN_FAILED)
    assert value(registry, "queue_length", queue="decoded") == 3
    assert value(registry, "stream_corrupt_packets_total", stream="clip") == 2
    left = {"rung": "nvdec-download", "reason": "open_failed"}
    assert value(registry, "decode_steps_down_total", **left) == 1


def test_a_closed_observer_leaves_no_series(
    registry: CollectorRegistry, observer: MetricsObserver
) -> None:
    observer.published(result_of(0))
    observer.close()
    assert value(registry, "stream_frames_total", stream="clip", outcome="inferred") is None
