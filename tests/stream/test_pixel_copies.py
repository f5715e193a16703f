"""What is counted of copies and results, and what Prometheus is told of it."""

from prometheus_client import CollectorRegistry

from stream.metrics import Metrics, new_registry
from stream.pixel_copies import CopyStep, TrafficCounts


def copies(registry: CollectorRegistry) -> dict[str, tuple[float | None, float | None]]:
    return {
        step.value: (
            registry.get_sample_value("posestream_pixel_copies_total", {"step": step.value}),
            registry.get_sample_value("posestream_pixel_copied_bytes_total", {"step": step.value}),
        )
        for step in CopyStep
    }


def test_all_steps_begin_at_0_and_counts_that_are_handed_on_are_not_told_twice() -> None:
    registry = new_registry()
    traffic, counts = Metrics(registry, "1").traffic, TrafficCounts()
    assert set(copies(registry).values()) == {(0, 0)}
    counts.copied(CopyStep.FETCH, 2, 600)
    counts.copied(CopyStep.FETCH, 1, 300)
    counts.results_left("tiny", 24)
    counts.tell(traffic)
    counts.tell(traffic)
    counts.results_left("tiny", 24)
    counts.forget()
    counts.tell(traffic)
    assert copies(registry)["fetch"] == (3, 900)
    assert copies(registry)["share"] == (0, 0)
    assert registry.get_sample_value("posestream_result_bytes_total", {"model": "tiny"}) == 24


def test_what_was_counted_before_somebody_listened_is_told_then() -> None:
    registry, counts = new_registry(), TrafficCounts()
    counts.copied(CopyStep.FETCH, 1, 10)  # the first frame, read when the source opens
    counts.forward(Metrics(registry, "1").traffic)
    counts.copied(CopyStep.FETCH, 1, 10)
    counts.results_left("tiny", 8)
    assert copies(registry)["fetch"] == (2, 20)
    assert registry.get_sample_value("posestream_result_bytes_total", {"model": "tiny"}) == 8
    assert not counts.pictures
