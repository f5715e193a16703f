"""The daemon as a whole, from its processes, sinks and metrics."""

from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry

from stream.api.answers import (
    BatchAnswer,
    EngineAnswer,
    ProcessAnswer,
    SinkAnswer,
    SystemAnswer,
    TimesAnswer,
)
from stream.api.recent_histograms import HistogramCounts, Key
from stream.delivery.courier import SinkState
from stream.fleet.daemon import Daemon
from stream.fleet.fleet_view import FleetHealth
from stream.metrics import Stage

AGE, STAGES = "posestream_result_age_seconds", "posestream_stage_seconds"
BATCH, FILL = "posestream_batch_size", "posestream_batch_fill_ratio"
HISTOGRAMS = (AGE, STAGES, BATCH, FILL)
DROPS = "posestream_stream_drops_total"
_NONE = HistogramCounts((), (), 0.0)


def system_answer(
    daemon: Daemon,
    health: FleetHealth,
    streams: int,
    recent: Mapping[Key, HistogramCounts],
    uptime_seconds: float,
) -> SystemAnswer:
    """All that is told of the daemon."""
    return SystemAnswer(
        version=version("posestream"),
        time=daemon.clock.wall(),
        uptime_seconds=uptime_seconds,
        streams=streams,
        max_streams=daemon.site.limits.streams,
        engine=EngineAnswer(
            is_ready=health.is_engine_ready,
            refusals=dict(health.model_refusals),
            restarts=health.engine_restarts,
        ),
        decoder_restarts=health.decoder_restarts,
        processes=[
            ProcessAnswer(
                name=one.name,
                pid=one.pid,
                own_memory_bytes=one.own_memory_bytes,
                streams=list(one.streams),
            )
            for one in health.processes
        ],
        sinks=[_sink(state) for state in daemon.delivery.states],
        result_age=_times("result age", recent.get((AGE, ""), _NONE)),
        stages=[_times(stage.value, recent.get((STAGES, stage.value), _NONE)) for stage in Stage],
        batches=_batches(recent.get((BATCH, ""), _NONE), recent.get((FILL, ""), _NONE)),
    )


def drops_by_stream(registry: CollectorRegistry) -> dict[str, dict[str, int]]:
    """Stream -> reason -> dropped frames."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for family in registry.restricted_registry([DROPS]).collect():
        for sample in family.samples:
            found[sample.labels["stream"]][sample.labels["reason"]] = int(sample.value)
    return found


def _sink(state: SinkState) -> SinkAnswer:
    counts = state.counts
    return SinkAnswer(
        name=state.name,
        is_up=not state.is_away,
        cause=state.cause,
        acked=counts.acked,
        spooled=counts.spooled,
        replayed=counts.replayed,
        gap=counts.gap,
        held=counts.held,
        spool_bytes=state.spool_bytes,
        lag_seconds=state.lag_seconds,
    )


def _times(name: str, counts: HistogramCounts) -> TimesAnswer:
    return TimesAnswer(
        name=name,
        count=int(counts.count),
        mean_seconds=counts.mean,
        p50_seconds=counts.quantile(0.5),
        p95_seconds=counts.quantile(0.95),
        p99_seconds=counts.quantile(0.99),
    )


def _batches(sizes: HistogramCounts, fill: HistogramCounts) -> BatchAnswer:
    return BatchAnswer(batches=int(sizes.count), mean_frames=sizes.mean, mean_fill=fill.mean)
