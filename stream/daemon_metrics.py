"""The metrics that only a daemon has: connections, processes, sinks that may be away, engines.

Part of `stream/metrics.py`, whose rules hold here too.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge

PREFIX = "posestream"


class DropReason(StrEnum):
    """Why a frame was dropped."""

    OVERTAKEN = "overtaken"
    """A newer one of its stream came before its turn."""
    STALE = "stale"
    """It waited too long for its turn."""
    NO_ROOM = "no_room"
    """All memory for pictures of its stream was taken: what comes after the decoder is slow."""


class DaemonMetrics:
    """Safe to use from several threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declares all of them in `registry`."""
        self._declare_connections(registry)
        self._declare_processes(registry)
        self._declare_sinks(registry)
        self._declare_engines(registry)

    def open_connection(
        self, stream: str, states: Sequence[str], causes: Sequence[str], jumps: Sequence[str]
    ) -> None:
        """Starts the series that only streams of a daemon have; `close_connection` ends them."""
        for state in states:
            self._stream_state.labels(stream, state).set(0)
        for family, values in self._counters(causes, jumps):
            for value in values:
                family.labels(stream, value)

    def close_connection(
        self, stream: str, states: Sequence[str], causes: Sequence[str], jumps: Sequence[str]
    ) -> None:
        """Removes what `open_connection` started; nothing happens if it is not there."""
        for family, values in ((self._stream_state, states), *self._counters(causes, jumps)):
            for value in values:
                with suppress(KeyError):
                    family.remove(stream, value)

    def state_changed(self, stream: str, before: str, now: str) -> None:
        """A stream is in another state."""
        self._stream_state.labels(stream, before).set(0)
        self._stream_state.labels(stream, now).set(1)

    def connection_lost(self, stream: str, cause: str) -> None:
        """A stream will have to connect again."""
        self._reconnects.labels(stream, cause).inc()

    def time_jumped(self, stream: str, kind: str) -> None:
        """The clock of a stream, or of this machine, began anew."""
        self._time_jumps.labels(stream, kind).inc()

    def frames_dropped(self, stream: str, reason: DropReason, count: int = 1) -> None:
        """So many frames will be dropped; their outcome is counted when their turn comes."""
        self._drops.labels(stream, reason.value).inc(count)

    def open_process(self, process: str, reasons: Sequence[str]) -> None:
        """Starts the counts of ends of a kind of process at 0."""
        for reason in reasons:
            self._restarts.labels(process, reason)

    def process_restarted(self, process: str, reason: str) -> None:
        """A process (`decoder`, `engine`) ended or was ended, and is replaced when needed."""
        self._restarts.labels(process, reason).inc()

    def process_seen(self, process: str, own_bytes: int, cpu_seconds: float) -> None:
        """Memory that a process does not share, and processor time since it was last seen."""
        self._process_memory.labels(process).set(own_bytes)
        self._process_cpu.labels(process).inc(cpu_seconds)

    def forget_process(self, process: str) -> None:
        """Removes the series of a process that is gone."""
        for family in (self._process_memory, self._process_cpu):
            with suppress(KeyError):
                family.remove(process)

    def queue_weighs(self, queue: str, size_bytes: int) -> None:
        """What waits in a queue takes so much memory."""
        self._queue_bytes.labels(queue).set(size_bytes)

    def sink_seen(self, sink: str, *, is_up: bool, lag_seconds: float, spool_bytes: int) -> None:
        """How a sink does."""
        self._sink_up.labels(sink).set(is_up)
        self._sink_lag.labels(sink).set(lag_seconds)
        self._spool_bytes.labels(sink).set(spool_bytes)

    def sink_failed(self, sink: str, held: int, failures: int) -> None:
        """So many results are under way, and so many more attempts to deliver failed."""
        self._sink_held.labels(sink).set(held)
        self._sink_failures.labels(sink).inc(failures)

    def engine_opened(self, model: str, seconds: float, parity_error_px: float | None) -> None:
        """An engine got ready; its certificate may say nothing about distances."""
        self._engine_build.labels(model).set(seconds)
        if parity_error_px is not None:
            self._engine_parity.labels(model).set(parity_error_px)

    def _counters(
        self, causes: Sequence[str], jumps: Sequence[str]
    ) -> tuple[tuple[Counter, Sequence[str]], ...]:
        reasons = tuple(reason.value for reason in DropReason)
        return (self._reconnects, causes), (self._time_jumps, jumps), (self._drops, reasons)

    def _declare_connections(self, registry: CollectorRegistry) -> None:
        self._stream_state = Gauge(
            f"{PREFIX}_stream_state",
            "1 for the state that a stream of the daemon is in.",
            ("stream", "state"),
            registry=registry,
        )
        self._reconnects = Counter(
            f"{PREFIX}_stream_reconnects_total",
            "Connections that were lost or not made, by cause.",
            ("stream", "cause"),
            registry=registry,
        )
        self._time_jumps = Counter(
            f"{PREFIX}_stream_time_jumps_total",
            "Epochs that began within a connection, by what the clock did.",
            ("stream", "kind"),
            registry=registry,
        )
        self._drops = Counter(
            f"{PREFIX}_stream_drops_total",
            "Frames with outcome dropped, by reason.",
            ("stream", "reason"),
            registry=registry,
        )

    def _declare_processes(self, registry: CollectorRegistry) -> None:
        self._restarts = Counter(
            f"{PREFIX}_process_restarts_total",
            "Processes of the daemon that ended or were ended.",
            ("process", "reason"),
            registry=registry,
        )
        self._process_memory = Gauge(
            f"{PREFIX}_process_memory_bytes",
            "Memory of a process that it does not share with others.",
            ("process",),
            registry=registry,
        )
        self._process_cpu = Counter(
            f"{PREFIX}_process_cpu_seconds_total",
            "Processor time of a process.",
            ("process",),
            registry=registry,
        )
        self._queue_bytes = Gauge(
            f"{PREFIX}_queue_bytes", "Memory of the items waiting.", ("queue",), registry=registry
        )

    def _declare_sinks(self, registry: CollectorRegistry) -> None:
        self._sink_up = Gauge(
            f"{PREFIX}_sink_up", "1 if the sink took what came last.", ("sink",), registry=registry
        )
        self._sink_lag = Gauge(
            f"{PREFIX}_sink_lag_seconds",
            "Age of the oldest result that the sink has not confirmed.",
            ("sink",),
            registry=registry,
        )
        self._sink_held = Gauge(
            f"{PREFIX}_sink_held_messages",
            "Results on their way to a sink, in memory or on disk.",
            ("sink",),
            registry=registry,
        )
        self._sink_failures = Counter(
            f"{PREFIX}_sink_failures_total",
            "Attempts to deliver that failed; they are repeated.",
            ("sink",),
            registry=registry,
        )
        self._spool_bytes = Gauge(
            f"{PREFIX}_spool_bytes", "Disk taken by waiting results.", ("sink",), registry=registry
        )

    def _declare_engines(self, registry: CollectorRegistry) -> None:
        self._engine_build = Gauge(
            f"{PREFIX}_engine_build_seconds",
            "Time until the engine of a model was ready: built, certified, warmed up.",
            ("model",),
            registry=registry,
        )
        self._engine_parity = Gauge(
            f"{PREFIX}_engine_parity_error_pixels",
            "Mean distance of keypoints from those of the reference, in the engine's certificate.",
            ("model",),
            registry=registry,
        )
