"""The supervisor of a daemon: one thread that turns, and what others may ask of it.

For REST and the live page (any thread; each call is done by the supervisor's thread between two
turns and takes well below a millisecond)::

    fleet.names()                        streams, in the order they were added
    fleet.add(plan), remove(name)        plan: `StreamPlan`
    fleet.pause(name), resume(name)
    fleet.reconcile(plans) -> Changes    make it so; streams whose plan is equal are not touched
    fleet.describe(name) -> StreamView   state, cause, counts, connection; `describe_all()`
    fleet.ledger(name) -> FrameLedger    a copy, balanced
    fleet.snapshot(name, known)          newest frame with its people, copied; None before the first
                                         and if there is none newer than the known one
    fleet.health() -> FleetHealth        processes, engine, memory
    fleet.subscribe(tell)                `tell(FleetEvent)` from the supervisor's thread: be quick
    fleet.unsubscribe(tell)

One turn: take what came from the processes, let time pass for every stream, process and batch.
Start order: nothing is started before `run`; then the engine and the decoders, side by side. Stop
order: streams are closed, frames that wait are skipped, the engine finishes its batch, all
processes are asked to end, and killed when `STOP_SECONDS` are over. Killed, the supervisor takes
all of them along (`child.py`).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from stream.clock import Clock
from stream.fleet.decoder_pool import PoolPlan
from stream.fleet.engine_desk import EnginePlan
from stream.fleet.fleet_view import (
    EventKind,
    FleetHealth,
    FrameNumber,
    StreamView,
    copied_snapshot,
    view_of,
)
from stream.fleet.inbox import Answer, BusyError, Inbox
from stream.fleet.reconcile import Changes
from stream.fleet.stream_desk import Snapshot
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.supervisor import Parts, Supervisor, Tell
from stream.ledger import FrameLedger
from stream.pipeline import StopRequest


class Fleet:
    """Streams in, results out. Made and run by one thread, asked by any."""

    def __init__(self, pool: PoolPlan, engine: EnginePlan, parts: Parts) -> None:
        """Starts nothing yet.

        Args:
            pool: how decoders are started.
            engine: how the engine is started.
            parts: where results and counts go.
        """
        self._clock: Clock = parts.clock
        self._inbox = Inbox()
        self._supervisor = Supervisor(pool, engine, parts, self._inbox)
        self._is_running = self._is_ending = False

    def names(self) -> list[str]:
        """The streams, in the order they were added."""
        return self._call(lambda: list(self._supervisor.desks))

    def add(self, plan: StreamPlan) -> None:
        """Begins to read a stream.

        Raises:
            StreamExistsError: if there is one of that name.
            BusyError: if the fleet ends.
            SinkError: if its results cannot be delivered.
        """
        self._change(lambda: self._supervisor.add(plan))

    def remove(self, name: str) -> None:
        """Ends a stream: its frames on their way are skipped, its series removed.

        Raises:
            UnknownStreamError: if there is none of that name.
        """
        self._call(lambda: self._supervisor.remove(name))

    def pause(self, name: str) -> None:
        """Does not read a stream any more, but keeps what is known of it.

        Raises:
            UnknownStreamError: if there is none of that name.
        """
        self._call(lambda: self._set_paused(name, paused=True))

    def resume(self, name: str) -> None:
        """Reads a stream again.

        Raises:
            UnknownStreamError: if there is none of that name.
        """
        self._change(lambda: self._set_paused(name, paused=False))

    def reconcile(self, plans: Iterable[StreamPlan]) -> Changes:
        """Adds, removes and changes streams until they are as planned; leaves the others alone."""
        wanted = {plan.name: plan for plan in plans}
        return self._change(lambda: self._supervisor.reconcile(wanted))

    def describe(self, name: str) -> StreamView:
        """All that is to be told of a stream.

        Raises:
            UnknownStreamError: if there is none of that name.
        """
        return self._call(lambda: view_of(self._supervisor.desk(name), self._clock))

    def describe_all(self) -> list[StreamView]:
        """All that is to be told of every stream, of one moment."""
        return self._call(
            lambda: [view_of(desk, self._clock) for desk in self._supervisor.desks.values()]
        )

    def ledger(self, name: str) -> FrameLedger:
        """What became of the frames of a stream.

        Raises:
            UnknownStreamError: if there is none of that name.
        """

        def counts() -> FrameLedger:
            return self._supervisor.desk(name).ledger.copy()

        return self._call(counts)

    def snapshot(self, name: str, known: FrameNumber | None = None) -> Snapshot | None:
        """A copy of the newest frame with its people; None before the first.

        The copy is made between two turns: about 0.1 ms at 1280x720.

        Args:
            name: of the stream.
            known: a frame that need not be copied again; None is then the answer for it.

        Raises:
            UnknownStreamError: if there is no stream of that name.
        """
        return self._call(lambda: copied_snapshot(self._supervisor.desk(name).snapshot, known))

    def health(self) -> FleetHealth:
        """How the processes do."""
        return self._call(lambda: self._supervisor.health(is_running=self._is_running))

    def subscribe(self, tell: Tell) -> None:
        """From now on `tell` hears every event; it must be quick and not raise."""
        self._call(lambda: self._supervisor.listeners.append(tell))

    def unsubscribe(self, tell: Tell) -> None:
        """`tell` hears no more."""
        self._call(lambda: self._supervisor.listeners.remove(tell))

    def run(self, stop: StopRequest, each_turn: Callable[[], None] = lambda: None) -> None:
        """Turns until a stop is asked for, then ends everything in good order.

        Args:
            stop: looked at every turn.
            each_turn: done once a turn, by the supervisor's thread.
        """
        self._inbox.own()
        self._is_running = True
        try:
            while not stop.requested:
                self._supervisor.turn()
                each_turn()
        finally:
            self._is_ending = True
            self._supervisor.tell(EventKind.ENDING, "")
            self._supervisor.shut_down()
            self._is_running = False
            self._inbox.disown()
            self._inbox.close()

    def _call(self, function: Callable[[], Answer]) -> Answer:
        return self._inbox.call(function)

    def _change(self, function: Callable[[], Answer]) -> Answer:
        """Not while everything is being ended: what would start then, nobody would end."""

        def unless_ending() -> Answer:
            if self._is_ending:
                raise BusyError("the daemon is ending; ask the next one")
            return function()

        return self._call(unless_ending)

    def _set_paused(self, name: str, *, paused: bool) -> None:
        plan = self._supervisor.desk(name).plan
        self._supervisor.replan(replace(plan, paused=paused))
