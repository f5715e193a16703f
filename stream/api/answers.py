"""What the API answers, field by field; OpenAPI gets its words from here."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from stream.api.chronicle import ORDER, LedgerMoment, Rates
from stream.api.diagnosis import Level, StreamFinding
from stream.fleet.fleet_view import FleetEvent, StreamView
from stream.frame import Outcome
from stream.ledger import FrameLedger


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class LedgerAnswer(_Answer):
    """Frames: read = inferred + skipped + dropped + corrupt + failed + in_flight, always."""

    read: int
    inferred: int
    skipped: int
    """Over max_fps, or stopped before their turn."""
    dropped: int
    """Overtaken by newer ones, or too old when their turn came."""
    corrupt: int
    """The decoder concealed errors in them."""
    failed: int
    """The engine failed on them."""
    in_flight: int


class FindingAnswer(_Answer):
    """One thing about a stream, in plain words."""

    level: Level
    words: str
    remedy: str


class StreamAnswer(_Answer):
    """A stream at one moment."""

    name: str
    state: str
    """connecting, live, stalled, backoff, quarantined or stopped."""
    state_seconds: float
    """How long it has been in that state."""
    paused: bool
    cause: str | None
    """Why the connection was lost last time: eof, timeout, auth, tls, not_found, codec, network,
    watchdog."""
    last_loss: str
    """The same in words."""
    reconnects: int
    """Connections that were lost or not made."""
    retry_in_seconds: float | None
    address: str
    """Without its login."""
    model: str
    max_fps: float | None
    target_age_seconds: float
    codec: str | None
    width: int | None
    height: int | None
    fps_from_header: float | None
    """What the camera says of itself."""
    epoch: int
    """Of the newest frame; -1 before the first."""
    fps_in: float
    """Frames a second that were read, over the last five seconds."""
    fps_out: float
    """Frames a second that were inferred."""
    last_frame_age_seconds: float | None
    result_age_seconds: float | None
    """Of the newest result when it was handed to the sinks, from the decoder on."""
    people: int | None
    """In the newest result."""
    drops: dict[str, int]
    """Dropped frames by reason."""
    from_site_file: bool
    """False: added over the API."""
    survives_restart: bool
    """Of the site file, or kept in api.added_streams."""
    ledger: LedgerAnswer
    findings: list[FindingAnswer]
    """How it is, the worst first."""


class StreamList(_Answer):
    """All streams, in the order they were added."""

    time: float
    """Unix time at the daemon."""
    streams: list[StreamAnswer]


class ChangesAnswer(_Answer):
    """What a reload did, by names of streams; all others lost no frame."""

    added: list[str]
    changed: list[str]
    removed: list[str]


class EventAnswer(_Answer):
    """Something that happened."""

    kind: str
    """added, removed, changed, state or engine."""
    stream: str
    """Empty for the daemon itself."""
    time: float
    """Unix time."""
    fields: dict[str, str]


class HistoryAnswer(_Answer):
    """The last ten minutes of a stream, about a second apart; lists are equally long."""

    times: list[float]
    """Unix times."""
    states: list[str]
    read: list[int]
    """Counts so far, as in the ledger; likewise the following."""
    inferred: list[int]
    skipped: list[int]
    dropped: list[int]
    corrupt: list[int]
    failed: list[int]
    events: list[EventAnswer]
    """Oldest first."""


class AboutAnswer(_Answer):
    """Tells a page what it talks to."""

    version: str
    needs_token: bool


class HealthAnswer(_Answer):
    """Whether something is so, and if not, why."""

    ok: bool
    reasons: list[str]


class ProcessAnswer(_Answer):
    """A process of the daemon."""

    name: str
    pid: int
    own_memory_bytes: int
    """Not counting what it shares; 0 before it was measured."""
    streams: list[str]


class EngineAnswer(_Answer):
    """What runs the models."""

    is_ready: bool
    refusals: dict[str, str]
    """Model -> why it is not run."""
    restarts: int


class SinkAnswer(_Answer):
    """Where results go."""

    name: str
    is_up: bool
    cause: str
    """Why it took nothing last time."""
    acked: int
    """Results that it confirmed."""
    spooled: int
    replayed: int
    gap: int
    """Lost; gap records stand in their place."""
    held: int
    """Under way."""
    spool_bytes: int
    lag_seconds: float


class TimesAnswer(_Answer):
    """Times of the last minute; None where there were none."""

    name: str
    count: int
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


class BatchAnswer(_Answer):
    """How the engine was filled in the last minute."""

    batches: int
    mean_frames: float | None
    mean_fill: float | None
    """From 0 to 1."""


class SystemAnswer(_Answer):
    """The daemon at one moment."""

    version: str
    time: float
    uptime_seconds: float
    streams: int
    max_streams: int
    engine: EngineAnswer
    decoder_restarts: int
    processes: list[ProcessAnswer]
    sinks: list[SinkAnswer]
    result_age: TimesAnswer
    stages: list[TimesAnswer]
    batches: BatchAnswer


def ledger_answer(ledger: FrameLedger) -> LedgerAnswer:
    """The counts."""
    counts = {outcome.value: ledger.outcomes[outcome] for outcome in ORDER}
    return LedgerAnswer(read=ledger.read, in_flight=ledger.in_flight, **counts)


def stream_answer(
    view: StreamView,
    rates: Rates,
    drops: Mapping[str, int],
    findings: list[StreamFinding],
    *,
    is_kept: bool,
) -> StreamAnswer:
    """All that is told of a stream; `is_kept`: there is a file that it is kept in."""
    return StreamAnswer(
        name=view.name,
        state=view.state.value,
        state_seconds=view.state_seconds,
        paused=view.is_paused,
        cause=view.cause.value if view.cause else None,
        last_loss=view.last_loss,
        reconnects=view.reconnects,
        retry_in_seconds=view.retry_in_seconds,
        address=view.address,
        model=view.model,
        max_fps=view.max_fps,
        target_age_seconds=view.target_age_seconds,
        codec=view.codec,
        width=view.width,
        height=view.height,
        fps_from_header=view.fps_from_header,
        epoch=view.epoch,
        fps_in=round(rates.read, 2),
        fps_out=round(rates.of(Outcome.INFERRED), 2),
        last_frame_age_seconds=view.last_frame_age_seconds,
        result_age_seconds=view.result_age_seconds,
        people=view.people,
        drops=dict(drops),
        from_site_file=not view.is_extra,
        survives_restart=is_kept or not view.is_extra,
        ledger=ledger_answer(view.ledger),
        findings=[FindingAnswer(level=f.level, words=f.words, remedy=f.remedy) for f in findings],
    )


def event_answer(event: FleetEvent) -> EventAnswer:
    """The event."""
    return EventAnswer(
        kind=event.kind.value,
        stream=event.stream,
        time=event.wall_seconds,
        fields=dict(event.fields),
    )


def history_answer(moments: list[LedgerMoment], events: list[FleetEvent]) -> HistoryAnswer:
    """Moments as columns."""
    columns = {outcome.value: [m.count(outcome) for m in moments] for outcome in ORDER}
    return HistoryAnswer(
        times=[round(moment.wall_seconds, 3) for moment in moments],
        states=[moment.state for moment in moments],
        read=[moment.read for moment in moments],
        events=[event_answer(event) for event in events],
        **columns,
    )
