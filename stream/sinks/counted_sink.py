"""Counts what becomes of every result at a sink."""

from stream.errors import SinkError
from stream.frame import FrameResult
from stream.metrics import Delivery, Metrics
from stream.sinks.sink import Sink


class CountedSink:
    """Another sink, with its results counted as `posestream_sink_messages_total`.

    A result is acked when the sink has taken it without an error.
    """

    def __init__(self, sink: Sink, kind: str, metrics: Metrics) -> None:
        """Counts under `kind`, which must not tell more than what sort of sink it is."""
        self._sink = sink
        self._kind = kind
        self._metrics = metrics
        metrics.open_sink(kind)

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        try:
            self._sink.publish(result)
        except SinkError:
            self._metrics.result_delivered(self._kind, Delivery.FAILED)
            raise
        self._metrics.result_delivered(self._kind, Delivery.ACKED)

    def close(self) -> None:
        """See `Sink.close`."""
        self._sink.close()

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        self._sink.abandon()
