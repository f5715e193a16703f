"""What a fleet tells of itself: values, safe to keep and to hand to other threads."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from stream.clock import Clock
from stream.errors import LossCause
from stream.fleet.stream_desk import Snapshot, StreamDesk
from stream.fleet.stream_machine import StreamState
from stream.ledger import FrameLedger
from stream.picture import copied_picture

FrameNumber = tuple[int, int]
"""Epoch and index of a frame."""


class EventKind(StrEnum):
    """What happened."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    """The stream has another plan."""
    STATE = "state"
    """Fields: state, cause, words."""
    ENGINE = "engine"
    """The engine started, ended, or got a model ready."""
    ENDING = "ending"
    """The daemon ends; it takes no more changes."""


@dataclass(frozen=True, slots=True)
class FleetEvent:
    """Something that happened to a stream, or (`stream` empty) to the daemon."""

    kind: EventKind
    stream: str
    wall_seconds: float
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamView:
    """A stream at one moment."""

    name: str
    state: StreamState
    state_seconds: float
    """How long it has been in that state."""
    is_paused: bool
    cause: LossCause | None
    """Of the last loss; None before the first."""
    last_loss: str
    """In words, with the remedy; shows no login."""
    reconnects: int
    retry_in_seconds: float | None
    address: str
    """Without its login."""
    model: str
    max_fps: float | None
    codec: str | None
    width: int | None
    height: int | None
    fps_from_header: float | None
    epoch: int
    """Of the newest frame; -1 before the first."""
    last_frame_age_seconds: float | None
    result_age_seconds: float | None
    """From the decoder to the sinks, of the newest result; None before the first."""
    people: int | None
    """In the newest result; None before the first."""
    target_age_seconds: float
    is_extra: bool
    """Added while the daemon runs, not by the site file."""
    ledger: FrameLedger


@dataclass(frozen=True, slots=True)
class ProcessView:
    """A process at one moment."""

    name: str
    pid: int
    own_memory_bytes: int
    """Not counting what it shares; as measured some seconds ago."""
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetHealth:
    """The daemon's processes at one moment."""

    is_running: bool
    """The supervisor's thread turns."""
    is_engine_ready: bool
    model_refusals: Mapping[str, str]
    """Model -> why the engine does not run it."""
    processes: tuple[ProcessView, ...]
    engine_restarts: int
    decoder_restarts: int


def view_of(desk: StreamDesk, clock: Clock) -> StreamView:
    """The stream now."""
    now, wall = clock.monotonic(), clock.wall()
    status, plan, opened = desk.status, desk.plan, desk.opened
    seen = desk.last_frame_wall_seconds
    return StreamView(
        name=plan.name,
        state=status.state,
        state_seconds=now - status.since_seconds,
        is_paused=plan.paused,
        cause=status.cause,
        last_loss=desk.last_loss,
        reconnects=desk.reconnects,
        retry_in_seconds=None if status.due_seconds is None else max(status.due_seconds - now, 0.0),
        address=plan.address.shown,
        model=plan.model,
        max_fps=plan.max_fps,
        codec=opened.codec if opened else None,
        width=opened.width if opened else None,
        height=opened.height if opened else None,
        fps_from_header=opened.fps if opened else None,
        epoch=desk.last_epoch,
        last_frame_age_seconds=None if seen is None else max(wall - seen, 0.0),
        result_age_seconds=desk.result_age_seconds,
        people=len(desk.snapshot.people) if desk.snapshot else None,
        target_age_seconds=plan.target_age_seconds,
        is_extra=plan.is_extra,
        ledger=desk.ledger.copy(),
    )


def copied_snapshot(snapshot: Snapshot | None, known: FrameNumber | None) -> Snapshot | None:
    """One whose picture stays; None if there is none, or none but the known one."""
    if snapshot is None or (snapshot.frame.epoch, snapshot.frame.index) == known:
        return None
    kept = replace(snapshot.frame, picture=copied_picture(snapshot.frame.picture))
    return Snapshot(kept, snapshot.people)
