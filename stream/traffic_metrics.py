"""Copies of pixels and bytes of results, for Prometheus; part of `stream/metrics.py`."""

from prometheus_client import CollectorRegistry, Counter

from stream.daemon_metrics import PREFIX
from stream.pixel_copies import CopyStep


class TrafficMetrics:
    """Implements `stream.pixel_copies.Traffic`; safe to use from several threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pictures = Counter(
            f"{PREFIX}_pixel_copies_total",
            "Pictures, canvases and crops whose pixels were copied after decoding, by where.",
            ("step",),
            registry=registry,
        )
        self._bytes = Counter(
            f"{PREFIX}_pixel_copied_bytes_total",
            "Bytes of pixels that were copied after decoding, by where.",
            ("step",),
            registry=registry,
        )
        self._results = Counter(
            f"{PREFIX}_result_bytes_total",
            "Bytes of results that engines gave out: poses, no maps.",
            ("model",),
            registry=registry,
        )
        for step in CopyStep:
            self._pictures.labels(step.value)
            self._bytes.labels(step.value)

    def copied(self, step: CopyStep, pictures: int, size_bytes: int) -> None:
        """See `Traffic.copied`."""
        self._pictures.labels(step.value).inc(pictures)
        self._bytes.labels(step.value).inc(size_bytes)

    def results_left(self, model: str, size_bytes: int) -> None:
        """See `Traffic.results_left`."""
        self._results.labels(model).inc(size_bytes)
