"""The supervisor's side of the engine process: who rides when, what comes back, restarts.

While there is no engine, streams go on: their newest frames wait, older ones are dropped and
counted. A batch that an engine took with it is failed, not tried again: it may be what killed it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath

from stream.daemon_metrics import DropReason
from stream.delivery.retry_pace import RetryPace
from stream.errors import PoseError
from stream.fleet.frame_schedule import FrameSchedule, WaitingFrame
from stream.fleet.link import Parcel
from stream.fleet.messages import (
    BatchFailed,
    InferFrames,
    MapSegment,
    ModelReady,
    ModelRefused,
    OpenModel,
    PeopleFound,
    UnmapSegment,
)
from stream.fleet.people_table import from_table
from stream.fleet.segment import picture_bytes
from stream.fleet.shared_segment import SharedSegment
from stream.fleet.supervised_process import ProcessPlan, SupervisedProcess
from stream.fleet.ticket import Ticket
from stream.frame import Outcome
from stream.metrics import Metrics, Stage

log = logging.getLogger(__name__)

OPENING_SECONDS = 900.0
"""Building an engine for a GPU takes minutes."""
REFUSED_RETRY_SECONDS = 30.0
END_REASONS = ("died", "hang", "memory")
BATCHES_AHEAD = 1
"""A second batch would wait in the engine instead of being overtaken by newer frames."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """How engines are started and fed."""

    process: ProcessPlan
    batch: int
    max_wait_seconds: float
    stale_seconds: float
    silence_seconds: float
    memory_bytes: int


@dataclass(slots=True, eq=False)
class _Batch:
    tickets: tuple[Ticket, ...]
    shapes: frozenset[tuple[str, int, int]]
    deadline_seconds: float


@dataclass(slots=True, eq=False)
class _Model:
    schedule: FrameSchedule
    is_ready: bool = False
    refused_until_seconds: float | None = None
    words: str = ""
    """Why it was refused."""


class EngineDesk:
    """One engine process at a time, and the frames that wait for it."""

    def __init__(self, plan: EnginePlan, metrics: Metrics, on_change: Callable[[], None]) -> None:
        """Nothing is started before `tick`; `on_change` hears of starts and ends."""
        self._plan, self._metrics, self._on_change = plan, metrics, on_change
        self.process: SupervisedProcess | None = None
        self.restarts = 0
        metrics.daemon.open_process("engine", END_REASONS)
        self._pace = RetryPace()
        self._models: dict[str, _Model] = {}
        """By name; kept for the life of the daemon, there are only a few."""
        self._tickets: dict[tuple[str, int, int], Ticket] = {}
        """Of frames that wait; who leaves the schedule leaves here."""
        self._batches: dict[int, _Batch] = {}
        self._numbers = count(1)
        self._mapped: set[int] = set()
        self._known_shapes: set[tuple[str, int, int]] = set()
        """Model, width and height that this process has inferred before."""

    @property
    def is_ready(self) -> bool:
        """Whether every model that is wanted can be run."""
        return bool(self._models) and all(model.is_ready for model in self._models.values())

    @property
    def refusals(self) -> dict[str, str]:
        """Model -> why the engine does not run it."""
        return {name: model.words for name, model in self._models.items() if model.words}

    @property
    def busy(self) -> int:
        """Batches in the engine."""
        return len(self._batches)

    @property
    def waiting(self) -> int:
        """Frames that wait for their turn."""
        return len(self._tickets)

    @property
    def waiting_bytes(self) -> int:
        """Memory of their pictures."""
        shapes = (ticket.ready for ticket in self._tickets.values())
        return sum(picture_bytes(ready.width, ready.height) for ready in shapes)

    def want(self, name: str) -> None:
        """A model is to be ready."""
        if name not in self._models:
            plan = self._plan
            schedule = FrameSchedule(plan.batch, plan.max_wait_seconds, plan.stale_seconds)
            self._models[name] = _Model(schedule)
            if self.process:
                self.process.send(OpenModel(model=name))

    def offer(self, model: str, ticket: Ticket) -> None:
        """A frame waits for its turn; it takes the place of an older one of its stream."""
        self._tickets[ticket.key] = ticket
        overtaken = self._models[model].schedule.offer(ticket.waiting)
        if overtaken is not None:
            self._drop(overtaken, DropReason.OVERTAKEN)

    def withdraw(self, stream: str) -> None:
        """The stream is not read any more: its frame that waits is skipped."""
        for model in self._models.values():
            for frame in model.schedule.remove(stream):
                self._leave((frame.stream, frame.epoch, frame.index), Outcome.SKIPPED)

    def skip_all(self) -> None:
        """The daemon stops: nothing that waits is inferred any more."""
        for model in self._models.values():
            for frame in model.schedule.flush():
                self._leave((frame.stream, frame.epoch, frame.index), Outcome.SKIPPED)

    def forget(self, segment: SharedSegment) -> None:
        """No frame is in that memory any more."""
        if segment.number in self._mapped and self.process:
            self._mapped.discard(segment.number)
            self.process.send(UnmapSegment(segment=segment.number))

    def tick(self, now_seconds: float) -> None:
        """Starts an engine if there is none, ends one that hangs, feeds one that is free."""
        if self.process is None and self._models and now_seconds >= self._pace.due_seconds:
            self._start(now_seconds)
        self._end_if_hung(now_seconds)
        self._retry_refused(now_seconds)
        for model in self._models.values():
            for waiting in model.schedule.drop_stale(now_seconds):
                self._drop(waiting, DropReason.STALE)
        self.feed(now_seconds)

    def feed(self, now_seconds: float) -> None:
        """Gives the engine what it has room for."""
        for name, model in self._models.items():
            while model.is_ready and len(self._batches) < BATCHES_AHEAD:
                frames = model.schedule.take(now_seconds)
                if frames is None:
                    break
                keys = [(frame.stream, frame.epoch, frame.index) for frame in frames]
                self._send(name, tuple(self._tickets.pop(key) for key in keys), now_seconds)

    def due_seconds(self) -> float | None:
        """When `feed` should be called again, if nothing comes before."""
        if len(self._batches) >= BATCHES_AHEAD:
            return None
        dues = [model.schedule.due_seconds() for model in self._models.values() if model.is_ready]
        return min((due for due in dues if due is not None), default=None)

    def hear(self, parcel: Parcel, now_seconds: float) -> None:
        """Something came from the engine."""
        message = parcel.message
        if isinstance(message, PeopleFound):
            self._people_found(message, parcel.tail)
        elif isinstance(message, BatchFailed):
            log.warning("batch_failed", extra={"cause": message.words})
            self._fail(self._batches.pop(message.batch, None))
        elif isinstance(message, ModelReady):
            self._model_ready(message)
        elif isinstance(message, ModelRefused):
            self._model_refused(message, now_seconds)
        self.feed(now_seconds)

    def end(self, reason: str, now_seconds: float) -> None:
        """The engine is gone or must go; the next `tick` that is due starts another."""
        process = self.process
        if process is None:
            return
        process.kill()
        fields = {"worker": process.name, "reason": reason, "how": process.end_in_words()}
        log.warning("process_restarted", extra=fields)
        self._metrics.daemon.process_restarted("engine", reason)
        self.restarts += 1
        self.process = None
        self._pace.failed(now_seconds)
        self._mapped.clear()
        self._known_shapes.clear()
        for model in self._models.values():
            model.is_ready = False
        batches, self._batches = self._batches, {}
        for batch in batches.values():
            self._fail(batch)
        self._on_change()

    def memory_is_over(self, used_bytes: int) -> bool:
        """Whether it takes more memory than it may."""
        return used_bytes > self._plan.memory_bytes

    def close(self) -> None:
        """Ends the engine; what it holds is failed."""
        for batch in self._batches.values():
            self._fail(batch)
        self._batches = {}
        if self.process:
            self.process.kill()
            self.process = None

    def _start(self, now_seconds: float) -> None:
        self.process = SupervisedProcess("engine", self._plan.process, now_seconds)
        for name in self._models:
            self.process.send(OpenModel(model=name))
        self._on_change()

    def _end_if_hung(self, now_seconds: float) -> None:
        if any(now_seconds >= batch.deadline_seconds for batch in self._batches.values()):
            self.end("hang", now_seconds)
        if self.process is None or self._batches:
            return
        silent = now_seconds - self.process.last_sign_seconds
        opens = any(not (model.is_ready or model.words) for model in self._models.values())
        if silent > (OPENING_SECONDS if opens else self._plan.silence_seconds):
            self.end("hang", now_seconds)

    def _retry_refused(self, now_seconds: float) -> None:
        for name, model in self._models.items():
            until = model.refused_until_seconds
            if until is not None and now_seconds >= until and self.process:
                model.refused_until_seconds = None
                self.process.send(OpenModel(model=name))

    def _send(self, name: str, tickets: tuple[Ticket, ...], now_seconds: float) -> None:
        process = self.process
        if process is None:
            raise PoseError("an engine that is ready has a process")
        frames = []
        for ticket in tickets:
            self._map(ticket.segment, process)
            frames.append(ticket.ready.model_copy(update={"segment": ticket.segment.number}))
            self._metrics.stage_done(Stage.QUEUE, now_seconds - ticket.ready.read_seconds)
        shapes = frozenset((name, t.ready.width, t.ready.height) for t in tickets)
        # A shape that is new may have to be built for.
        allowed = self._plan.silence_seconds if shapes <= self._known_shapes else OPENING_SECONDS
        number = next(self._numbers)
        self._batches[number] = _Batch(tickets, shapes, now_seconds + allowed)
        self._metrics.batch_done(len(tickets), self._plan.batch)
        process.send(InferFrames(batch=number, model=name, frames=tuple(frames)))

    def _map(self, segment: SharedSegment, process: SupervisedProcess) -> None:
        if segment.number in self._mapped:
            return
        self._mapped.add(segment.number)
        made = segment.made
        message = MapSegment(segment=segment.number, slots=made.slots, slot_bytes=made.slot_bytes)
        process.send(message, fds=(segment.fd,))

    def _people_found(self, found: PeopleFound, table: bytes) -> None:
        batch = self._batches.pop(found.batch, None)
        if batch is None:
            return
        self._pace.succeeded()
        self._known_shapes |= batch.shapes
        for stage, seconds in found.stages:
            self._metrics.stage_done(Stage(stage), seconds)
        if found.cascade:
            self._metrics.cascade.worked(found.cascade)
        for step, (pictures, size_bytes) in found.copies.items():
            self._metrics.traffic.copied(step, pictures, size_bytes)
        for model, size_bytes in found.result_bytes.items():
            self._metrics.traffic.results_left(model, size_bytes)
        try:
            people = from_table(table, found.people, found.joints)
            pairs = list(zip(batch.tickets, people, strict=True))
        except (PoseError, ValueError) as error:
            log.warning("batch_failed", extra={"cause": str(error)})
            self._fail(batch)
            return
        for ticket, poses in pairs:
            ticket.settle(Outcome.INFERRED, poses)

    def _fail(self, batch: _Batch | None) -> None:
        for ticket in batch.tickets if batch else ():
            ticket.settle(Outcome.FAILED, ())

    def _model_ready(self, ready: ModelReady) -> None:
        model = self._models[ready.model]
        model.is_ready, model.words, model.refused_until_seconds = True, "", None
        log.info("model_ready", extra={"model": ready.model, **ready.fields})
        # A model may be a folder: where that lies is nobody's business.
        label = "+".join(PurePath(name).name for name in ready.model.split("+"))
        self._metrics.engine_started(label, ready.fields)
        self._metrics.daemon.engine_opened(label, ready.open_seconds, ready.parity_error_px)
        for engine, refused in ready.steps_down:
            self._metrics.engine_stepped_down(label, engine, refused)
        for engine, reason in ready.fallbacks:
            self._metrics.engine_passed_over(label, engine, reason)
        self._on_change()

    def _model_refused(self, refused: ModelRefused, now_seconds: float) -> None:
        model = self._models[refused.model]
        model.words = refused.words
        model.refused_until_seconds = now_seconds + REFUSED_RETRY_SECONDS
        log.error("model_refused", extra={"model": refused.model, "cause": refused.words})
        self._on_change()

    def _drop(self, waiting: WaitingFrame, reason: DropReason) -> None:
        frame = waiting.frame
        self._metrics.daemon.frames_dropped(frame.stream, reason)
        self._leave((frame.stream, frame.epoch, frame.index), Outcome.DROPPED)

    def _leave(self, key: tuple[str, int, int], outcome: Outcome) -> None:
        self._tickets.pop(key).settle(outcome, ())
