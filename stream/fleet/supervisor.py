"""The supervisor's work, turn by turn; used by its thread only. `Fleet` is how others reach it."""

import logging
import os
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from stream.clock import Clock
from stream.delivery.epoch_book import EpochBook
from stream.errors import (
    LossCause,
    PoseError,
    SinkError,
    StreamExistsError,
    UnknownStreamError,
)
from stream.fleet.decoder_pool import DecoderPool, DecoderWorker, PoolPlan
from stream.fleet.engine_desk import EngineDesk, EnginePlan
from stream.fleet.fleet_view import EventKind, FleetEvent, FleetHealth, ProcessView
from stream.fleet.frame_rate_cap import spread_phase
from stream.fleet.inbox import Inbox
from stream.fleet.link import LinkError, Parcel
from stream.fleet.messages import (
    FrameReady,
    PassedFrames,
    SegmentMade,
    StreamLost,
    StreamOpened,
    StreamOrder,
)
from stream.fleet.process_watch import SUPERVISOR, ProcessWatch
from stream.fleet.reconcile import Changes, changes_to
from stream.fleet.segment import SegmentError
from stream.fleet.stream_desk import DeskTools, StreamDesk
from stream.fleet.stream_machine import NextStep, StreamState, StreamStatus
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.supervised_process import SupervisedProcess
from stream.metrics import Metrics
from stream.metrics_observer import MetricsObserver
from stream.pipeline import FrameTracker
from stream.sinks.sink import Sink

log = logging.getLogger(__name__)

TURN_SECONDS = 0.05
"""Time passes for streams and processes at least so often."""
LOOK_SECONDS = 2.0
"""How often the memory of the processes is measured."""
FINISH_SECONDS = 1.0
"""What the engine has at the end for the batch that it is at."""
STOP_SECONDS = 1.0
"""What the processes have to end by themselves."""
Tell = Callable[[FleetEvent], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """Where results and counts go."""

    metrics: Metrics
    clock: Clock
    open_sink: Callable[[str], Sink]
    """Gives the sink of a stream; it must never wait."""
    new_tracker: Callable[[str], FrameTracker]
    """Called for every epoch of a stream, with its model."""
    epochs: EpochBook | None = None
    """Where epochs are counted on over restarts; without it each start begins at 0."""


class Supervisor:
    """All streams, the decoders and the engine."""

    def __init__(self, pool: PoolPlan, engine: EnginePlan, parts: Parts, inbox: Inbox) -> None:
        self.desks: dict[str, StreamDesk] = {}
        self.listeners: list[Tell] = []
        self._parts, self._inbox = parts, inbox
        self._tools = DeskTools(parts.clock, parts.new_tracker, self._state_changed)
        self._batch_size = engine.batch
        self._added = 0
        self._phases: dict[str, float] = {}
        """Of the streams' frame-rate caps; evicted with the stream."""
        self._engine = EngineDesk(engine, parts.metrics, self._engine_changed)
        self._pool = DecoderPool(pool, parts.metrics, self._process_lost, self._engine.forget)
        self._look_due = 0.0
        self._watch = ProcessWatch(parts.metrics.daemon)

    def turn(self) -> None:
        """Takes what came, for a while, and lets time pass for everything."""
        self._hear(self._wait_seconds())
        now = self._now
        for desk in tuple(self.desks.values()):
            self._act(desk, desk.tick())
            self._acquit(desk, now)
        self._pool.tick(now)
        self._engine.tick(now)
        self._tell_queue()
        if now >= self._look_due:
            self._look_due = now + LOOK_SECONDS
            self._look_at_memory(now)

    def shut_down(self) -> None:
        """Ends everything in good order, within a bound of time."""
        for desk in self.desks.values():
            self._act(desk, desk.stop())
        self._engine.skip_all()
        deadline = self._now + FINISH_SECONDS
        while self._engine.busy and self._now < deadline:
            self._hear(TURN_SECONDS)
        self._engine.close()
        self._pool.ask_all_to_stop()
        deadline = self._now + STOP_SECONDS
        while list(self._pool) and self._now < deadline:
            self._hear(TURN_SECONDS)
        self._pool.close_all()
        for name in list(self.desks):
            self.desks.pop(name).finish()

    def add(self, plan: StreamPlan) -> None:
        """See `Fleet.add`."""
        name = plan.name
        if name in self.desks:
            raise StreamExistsError(f"stream {name}: there is one of that name; take another")
        sink = self._parts.open_sink(name)
        observer = MetricsObserver(self._parts.metrics, name, self._batch_size, self._parts.clock)
        desk = self.desks[name] = StreamDesk(plan, sink, observer, self._tools)
        if self._parts.epochs:
            desk.last_epoch = self._parts.epochs.last(name)
        self._phases[name] = spread_phase(self._added)
        self._added += 1
        self.tell(EventKind.ADDED, name)
        self._begin(desk)

    def remove(self, name: str) -> None:
        """See `Fleet.remove`."""
        desk = self.desk(name)
        self._act(desk, desk.stop())
        self._engine.withdraw(name)
        del self.desks[name], self._phases[name]
        self._pool.forget(name)
        desk.finish()
        self.tell(EventKind.REMOVED, name)

    def replan(self, plan: StreamPlan) -> None:
        """The stream goes on after another plan; its ledger and its sink stay."""
        desk = self.desk(plan.name)
        if plan == desk.plan:
            return
        self._act(desk, desk.stop())
        self._engine.withdraw(plan.name)
        desk.adopt(plan)
        self._begin(desk)
        self.tell(EventKind.CHANGED, plan.name)

    def reconcile(self, wanted: dict[str, StreamPlan]) -> Changes:
        """See `Fleet.reconcile`."""
        present = {name: desk.plan for name, desk in self.desks.items()}
        changes = changes_to(present, wanted.values())
        for name in changes.removed:
            self.remove(name)
        for name in changes.changed:
            self.replan(wanted[name])
        for name in changes.added:
            self.add(wanted[name])
        return changes

    def desk(self, name: str) -> StreamDesk:
        """The desk of a stream.

        Raises:
            UnknownStreamError: if there is none.
        """
        try:
            return self.desks[name]
        except KeyError:
            there = ", ".join(self.desks) or "none"
            raise UnknownStreamError(
                f"stream {name!r}: there is none; there are: {there}"
            ) from None

    def health(self, *, is_running: bool) -> FleetHealth:
        """See `Fleet.health`."""
        seen = [(worker.process, tuple(sorted(worker.streams))) for worker in self._pool]
        if self._engine.process:
            seen.insert(0, (self._engine.process, ()))
        return FleetHealth(
            is_running=is_running,
            is_engine_ready=self._engine.is_ready,
            model_refusals=self._engine.refusals,
            processes=tuple(
                ProcessView(one.name, one.pid, self._watch.memory.get(one.name, 0), streams)
                for one, streams in seen
            ),
            engine_restarts=self._engine.restarts,
            decoder_restarts=self._pool.restarts,
        )

    def _tell_queue(self) -> None:
        metrics = self._parts.metrics
        metrics.queue_filled("frames", self._engine.waiting, len(self.desks))
        metrics.daemon.queue_weighs("frames", self._engine.waiting_bytes)

    @property
    def _now(self) -> float:
        return self._parts.clock.monotonic()

    def _wait_seconds(self) -> float:
        due = self._engine.due_seconds()
        return TURN_SECONDS if due is None else min(max(due - self._now, 0.0), TURN_SECONDS)

    def _hear(self, seconds: float) -> None:
        """Waits for the processes and the callers, and takes what came."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._inbox, selectors.EVENT_READ, self._inbox.serve)
            for worker in self._pool:
                hear = partial(self._hear_decoder, worker)
                selector.register(worker.process.link, _wanted(worker.process), hear)
            if self._engine.process:
                hear = partial(self._hear_engine, self._engine.process)
                selector.register(self._engine.process.link, _wanted(self._engine.process), hear)
            for key, _ in selector.select(seconds):
                key.data()

    def _hear_decoder(self, worker: DecoderWorker) -> None:
        now = self._now
        try:
            worker.process.link.flush()
            for parcel in worker.process.receive(now):
                worker.has_spoken = True
                self._take(worker, parcel)
        except LinkError:
            self._pool.gone(worker)
        except (SegmentError, PoseError) as error:
            log.warning("worker_talks_nonsense", extra={"cause": str(error)})
            self._pool.end(worker, "nonsense")
        self._engine.feed(now)

    def _hear_engine(self, process: SupervisedProcess) -> None:
        now = self._now
        try:
            process.link.flush()
            for parcel in process.receive(now):
                self._engine.hear(parcel, now)
        except LinkError:
            self._engine.end("died", now)

    def _take(self, worker: DecoderWorker, parcel: Parcel) -> None:
        message = parcel.message
        if isinstance(message, FrameReady):
            self._frame_came(worker, message)
        elif isinstance(message, PassedFrames):
            if message.stream in self.desks:
                self.desks[message.stream].passed(message)
        elif isinstance(message, SegmentMade):
            with parcel.owned_fd() as fd:
                if self._is_current(worker, message):
                    self._pool.segment_made(worker, fd, message)
        elif isinstance(message, StreamOpened | StreamLost):
            self._connection_changed(message)

    def _connection_changed(self, message: StreamOpened | StreamLost) -> None:
        desk = self.desks.get(message.stream)
        if desk is None or desk.run != message.run:
            return
        if isinstance(message, StreamOpened):
            desk.hear_opened(message)
        else:
            self._pool.close(message.stream, message.run)
            desk.lost(message.cause, message.words)

    def _frame_came(self, worker: DecoderWorker, ready: FrameReady) -> None:
        desk, segment = self.desks.get(ready.stream), worker.segments.get(ready.segment)
        if desk is None:
            return
        if segment is None or not self._is_current(worker, ready):
            # Of a connection that was closed meanwhile; its slots are not used again.
            desk.skip()
            return
        segment.take(ready.slot)
        self._note_epoch(ready)
        self._engine.offer(desk.plan.model, desk.take(ready, segment))

    def _note_epoch(self, ready: FrameReady) -> None:
        """Before the first result of the epoch is delivered."""
        if self._parts.epochs is None:
            return
        try:
            self._parts.epochs.reached(ready.stream, ready.epoch)
        except SinkError as error:
            # The book knows the epoch all the same: this is told once for each.
            log.warning("epoch_not_kept", extra={"stream": ready.stream, "cause": str(error)})

    def _is_current(self, worker: DecoderWorker, message: SegmentMade | FrameReady) -> bool:
        """Whether it is of the newest connection, and not of one that was closed meanwhile."""
        desk = self.desks.get(message.stream)
        is_read_there = self._pool.worker_of(message.stream) is worker
        return is_read_there and desk is not None and desk.run == message.run

    def _begin(self, desk: StreamDesk) -> None:
        self._engine.want(desk.plan.model)
        if not desk.plan.paused:
            self._act(desk, desk.resume())

    def _act(self, desk: StreamDesk, action: NextStep | None) -> None:
        name = desk.plan.name
        if action is NextStep.OPEN:
            desk.run += 1
            self._pool.open(_order(desk, self._phases[name]), self._now)
        elif action is NextStep.CLOSE:
            self._pool.close(name, desk.run)
        elif action is NextStep.ABANDON:
            self._pool.abandon(name, desk.run)

    def _acquit(self, desk: StreamDesk, now: float) -> None:
        """A stream that did well for a while is not what kills processes."""
        status, stable = desk.status, desk.plan.patience.stable_seconds
        if status.state is StreamState.LIVE and now - status.since_seconds >= stable:
            self._pool.was_stable(desk.plan.name)

    def _process_lost(self, name: str, words: str) -> None:
        if name in self.desks:
            self.desks[name].lost(LossCause.WATCHDOG, words)

    def _look_at_memory(self, now: float) -> None:
        self._watch.look(SUPERVISOR, os.getpid())
        for worker in self._pool:
            if self._pool.memory_is_over(self._measure(worker.process)):
                self._pool.end(worker, "memory")
        if self._engine.process:
            used = self._measure(self._engine.process)
            if self._engine.memory_is_over(used):
                self._engine.end("memory", now)
        self._watch.keep_only({SUPERVISOR, *(process.name for process in self._processes())})

    def _measure(self, process: SupervisedProcess) -> int:
        return self._watch.look(process.name, process.pid)

    def _processes(self) -> list[SupervisedProcess]:
        engine = [self._engine.process] if self._engine.process else []
        return engine + [worker.process for worker in self._pool]

    def _state_changed(self, name: str, status: StreamStatus) -> None:
        desk = self.desks.get(name)
        words = desk.last_loss if desk and status.due_seconds is not None else ""
        fields = {"state": status.state.value, "cause": status.cause.value if status.cause else ""}
        level = logging.DEBUG if _is_routine(status) else logging.INFO
        log.log(level, "stream_state", extra={"stream": name, **fields, "words": words})
        self.tell(EventKind.STATE, name, {**fields, "words": words})

    def _engine_changed(self) -> None:
        self.tell(EventKind.ENGINE, "", {"ready": str(self._engine.is_ready).lower()})

    def tell(self, kind: EventKind, stream: str, fields: dict[str, str] | None = None) -> None:
        """Tells all listeners."""
        event = FleetEvent(kind, stream, self._parts.clock.wall(), fields or {})
        for tell in tuple(self.listeners):
            tell(event)


def _is_routine(status: StreamStatus) -> bool:
    """One more attempt like the one before: nobody wants to read of it every second."""
    if status.state is StreamState.CONNECTING:
        return status.failures > 0
    return status.state is StreamState.BACKOFF and status.is_same_cause


def _wanted(process: SupervisedProcess) -> int:
    """What to wait for at a process's line."""
    return selectors.EVENT_READ | (selectors.EVENT_WRITE if process.link.has_more else 0)


def _order(desk: StreamDesk, phase: float) -> StreamOrder:
    plan, address = desk.plan, desk.plan.address
    return StreamOrder(
        stream=plan.name,
        run=desk.run,
        first_epoch=desk.last_epoch + 1,
        address=address.address,
        shown=address.shown,
        protocols=address.protocols,
        is_live=address.is_live,
        format=address.format,
        options=address.options,
        open_seconds=plan.patience.open_seconds,
        # FFmpeg gives up after twice as long.
        read_seconds=plan.patience.silence_seconds / 2,
        max_fps=plan.max_fps,
        phase=phase,
        max_pixels=plan.max_pixels,
        decode=plan.decode,
    )
