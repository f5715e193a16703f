"""From what a site wants to running sinks."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stream.clock import Clock
from stream.delivery.courier import Courier, tell_nobody
from stream.delivery.jsonl_target import JsonlTarget
from stream.delivery.live_delivery import LiveDelivery
from stream.delivery.redis_target import RedisTarget
from stream.delivery.rotating_files import DEFAULT_RULE, RotationRule
from stream.delivery.sink_metrics import SinkMetrics
from stream.delivery.spool import DEFAULT_LIMITS, SpoolLimits
from stream.delivery.spool_folder import SpoolFolder
from stream.metrics import Metrics
from stream.sinks.redis_address import RedisAddress


@dataclass(frozen=True, slots=True)
class RedisPlan:
    """A Redis server that gets every stream's results."""

    name: str
    """In logs, metrics and the spool's folder: never an address."""
    address: RedisAddress
    spool: SpoolLimits = DEFAULT_LIMITS
    """Of each stream."""


@dataclass(frozen=True, slots=True)
class JsonlPlan:
    """A folder of JSONL files that gets every stream's results."""

    name: str
    folder: Path
    rule: RotationRule = DEFAULT_RULE


SinkPlan = RedisPlan | JsonlPlan


def open_delivery(
    plans: Sequence[SinkPlan], spool_folder: Path, clock: Clock, metrics: Metrics | None = None
) -> LiveDelivery:
    """Starts every sink; Redis servers may be away, folders must be there to write to.

    Args:
        plans: the sinks, each with a name of its own.
        spool_folder: results wait here while a Redis server is away, a folder for each sink.
        clock: for retries, ages and names of files.
        metrics: where the sinks' counts go.

    Raises:
        SinkError: if a folder cannot be used, or another process uses the spool.
    """
    with ExitStack() as undo:
        couriers = [_courier(plan, spool_folder, clock, metrics, undo) for plan in plans]
        undo.pop_all()
    return LiveDelivery(couriers)


def _courier(
    plan: SinkPlan, spool_folder: Path, clock: Clock, metrics: Metrics | None, undo: ExitStack
) -> Courier:
    tell = SinkMetrics(metrics, plan.name).tell if metrics else tell_nobody
    if isinstance(plan, JsonlPlan):
        files = JsonlTarget(plan.folder, clock, plan.rule)
        return Courier(plan.name, files, clock, tell=tell)
    spools = SpoolFolder(spool_folder / plan.name, plan.spool)
    undo.callback(spools.close)
    return Courier(plan.name, RedisTarget(plan.address), clock, spools=spools, tell=tell)
