import pytest
from prometheus_client import CollectorRegistry

from stream.errors import SinkError
from stream.frame import FrameResult
from stream.metrics import Metrics
from stream.sinks.counted_sink import CountedSink
from stream.sinks.memory_sink import MemorySink
from tests.results import result_of


class FailingSink(MemorySink):
    def publish(self, result: FrameResult) -> None:
        if result.frame.index == 2:
            raise SinkError("full")
        super().publish(result)


def counted(registry: CollectorRegistry, outcome: str) -> float | None:
    labels = {"sink": "memory", "outcome": outcome}
    return registry.get_sample_value("posestream_sink_messages_total", labels)


def test_results_are_counted_by_what_became_of_them() -> None:
    registry, inner = CollectorRegistry(), FailingSink()
    sink = CountedSink(inner, "memory", Metrics(registry, "1"))
    for index in range(2):
        sink.publish(result_of(index))
    with pytest.raises(SinkError):
        sink.publish(result_of(2))
    assert (counted(registry, "acked"), counted(registry, "failed")) == (2, 1)


def test_the_end_is_passed_on() -> None:
    closed, abandoned = MemorySink(), MemorySink()
    CountedSink(closed, "memory", Metrics(CollectorRegistry(), "1")).close()
    CountedSink(abandoned, "memory", Metrics(CollectorRegistry(), "1")).abandon()
    assert (closed.is_complete, abandoned.is_complete) == (True, False)
