"""Feeds the metrics with the state of a daemon's sinks."""

from stream.delivery.courier import SinkState
from stream.metrics import Delivery, Metrics

_COUNTS = {
    Delivery.ACKED: "acked",
    Delivery.SPOOLED: "spooled",
    Delivery.REPLAYED: "replayed",
    Delivery.GAP: "gap",
}


class SinkMetrics:
    """What one courier tells goes into `Metrics`; called by its thread only."""

    def __init__(self, metrics: Metrics, sink: str) -> None:
        """Starts the sink's counts at 0."""
        self._metrics = metrics
        self._told_failures = 0
        self._told = dict.fromkeys(_COUNTS, 0)
        metrics.open_sink(sink)

    def tell(self, state: SinkState) -> None:
        """Takes over the state; a courier's `tell`."""
        for delivery, name in _COUNTS.items():
            count: int = getattr(state.counts, name)
            self._metrics.results_delivered(state.name, delivery, count - self._told[delivery])
            self._told[delivery] = count
        self._metrics.daemon.sink_seen(
            state.name,
            is_up=not state.is_away,
            lag_seconds=state.lag_seconds,
            spool_bytes=state.spool_bytes,
        )
        failed, self._told_failures = state.failures - self._told_failures, state.failures
        self._metrics.daemon.sink_failed(state.name, state.counts.held, failed)
