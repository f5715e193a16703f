"""The work of one sink's thread: takes every stream's records to the sink, whatever it does.

Turn after turn, each stream gets one chunk delivered, or, while the sink is away, stored. A stream
that the sink refuses waits by itself; a sink that is away is tried again at a growing pace.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition

from stream.clock import Clock
from stream.delivery.lane import QUEUE_SIZE, Lane, LaneCounts
from stream.delivery.retry_pace import RetryPace
from stream.delivery.spool_folder import SpoolFolder
from stream.delivery.target import Target
from stream.errors import ConfigError, SinkAwayError, SinkError

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
"""How often a sink without work looks for what is due."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink does."""

    name: str
    is_away: bool
    cause: str
    """Why it took nothing last time; empty if it did."""
    counts: LaneCounts
    """Of all streams, ended ones too."""
    spool_bytes: int
    failures: int
    """Attempts to deliver that failed, of all streams."""
    lag_seconds: float
    """Age of the oldest result under way; 0 if there is none."""


Tell = Callable[[SinkState], None]


def tell_nobody(_state: SinkState) -> None:
    """For who does not watch."""


@dataclass(slots=True)
class _Berth:
    """A lane and when it may be tried again."""

    lane: Lane
    pace: RetryPace = field(default_factory=RetryPace)


class Courier:
    """One sink with its lanes. `run` is the body of its thread; the rest may be called by any."""

    def __init__(
        self,
        name: str,
        target: Target,
        clock: Clock,
        *,
        spools: SpoolFolder | None = None,
        queue_size: int = QUEUE_SIZE,
        tell: Tell = tell_nobody,
    ) -> None:
        """Takes over what an earlier process left in the spools.

        Args:
            name: of the sink, in logs and metrics.
            target: where results go; the courier closes it.
            clock: for the pace of retries.
            spools: where results wait while the sink is away; without, they wait in memory only.
            queue_size: results of one stream that may wait in memory.
            tell: told the state every half a second, by the sink's thread.

        Raises:
            SinkError: if a spool cannot be read.
        """
        self.name = name
        self._target, self._clock, self._spools = target, clock, spools
        self._queue_size, self._tell = queue_size, tell
        self._pace = RetryPace()
        self._cause = ""
        self._failures = 0
        self._changed = Condition()
        self._has_news = False
        self._told_seconds = float("-inf")
        self._deadline: float | None = None
        self._ended_counts = LaneCounts()
        self._berths: dict[str, _Berth] = {}
        for stream in spools.streams() if spools else []:
            self._new_lane(stream).shut()

    def open_lane(self, stream: str) -> Lane:
        """The way of a stream into the sink, until its `shut`.

        Raises:
            SinkError: if its spool cannot be read or written.
            ConfigError: if the stream is being written already.
        """
        with self._changed:
            berth = self._berths.get(stream)
            if berth is None:
                return self._new_lane(stream)
            if berth.lane.is_open:
                raise ConfigError(f"stream {stream} is open already; give each stream its own name")
            berth.lane.open()
            return berth.lane

    def wake(self) -> None:
        """There is something to deliver."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    @property
    def state(self) -> SinkState:
        """How the sink does."""
        with self._changed:
            lanes = [berth.lane for berth in self._berths.values()]
            counts = self._ended_counts
        for lane in lanes:
            counts = counts.plus(lane.counts)
        since = [lane.waiting_since_ms for lane in lanes]
        oldest = min((ms for ms in since if ms is not None), default=None)
        lag = 0.0 if oldest is None else max(self._clock.wall() - oldest / 1000, 0.0)
        size = sum(lane.size_bytes for lane in lanes)
        return SinkState(
            self.name, self._pace.is_failing, self._cause, counts, size, self._failures, lag
        )

    def counts(self) -> dict[str, LaneCounts]:
        """What became of the results of each stream that has not ended."""
        with self._changed:
            return {stream: berth.lane.counts for stream, berth in self._berths.items()}

    def stop(self, budget_seconds: float) -> None:
        """Ends `run`: what cannot be delivered within the budget is stored."""
        with self._changed:
            self._deadline = self._clock.monotonic() + budget_seconds
        self.wake()

    def run(self) -> None:
        """Turns until `stop`; then frees everything."""
        try:
            while not self._is_over():
                self.turn()
                self._wait()
        finally:
            self._end()

    def turn(self) -> None:
        """Does once what is due for every stream."""
        with self._changed:
            self._has_news = False
            berths = list(self._berths.values())
        for berth in berths:
            self._serve(berth)
            berth.lane.sync(self._clock.monotonic())
        self._drop_finished()
        now = self._clock.monotonic()
        if now >= self._told_seconds + IDLE_SECONDS:
            self._told_seconds = now
            self._tell(self.state)

    def _new_lane(self, stream: str) -> Lane:
        spool = self._spools.open(stream) if self._spools else None
        lane = Lane(stream, spool, self._queue_size)
        self._berths[stream] = _Berth(lane)
        return lane

    def _serve(self, berth: _Berth) -> None:
        now = self._clock.monotonic()
        if now < max(self._pace.due_seconds, berth.pace.due_seconds):
            berth.lane.store()
            return
        if berth.lane.is_idle:
            return
        try:
            berth.lane.deliver(self._target)
        except SinkError as error:
            self._failed(berth, error)
        else:
            self._succeeded(berth)

    def _failed(self, berth: _Berth, error: SinkError) -> None:
        is_away = isinstance(error, SinkAwayError)
        pace = self._pace if is_away else berth.pace
        if not pace.is_failing:
            fields = {"sink": self.name, "stream": berth.lane.stream, "cause": str(error)}
            log.warning("sink_away" if is_away else "sink_refuses_stream", extra=fields)
        self._cause = str(error)
        self._failures += 1
        pace.failed(self._clock.monotonic())
        berth.lane.store()

    def _succeeded(self, berth: _Berth) -> None:
        if self._pace.is_failing or berth.pace.is_failing:
            log.warning("sink_back", extra={"sink": self.name, "stream": berth.lane.stream})
        self._cause = ""
        self._pace.succeeded()
        berth.pace.succeeded()

    def _drop_finished(self) -> None:
        with self._changed:
            finished = [
                stream
                for stream, berth in self._berths.items()
                if not berth.lane.is_open and berth.lane.is_idle
            ]
            for stream in finished:
                lane = self._berths.pop(stream).lane
                self._ended_counts = self._ended_counts.plus(lane.counts)
                lane.close()
                self._target.forget(stream)

    def _is_over(self) -> bool:
        with self._changed:
            if self._deadline is None:
                return False
            idle = all(berth.lane.is_idle for berth in self._berths.values())
        return idle or self._pace.is_failing or self._clock.monotonic() >= self._deadline

    def _wait(self) -> None:
        """Until there is news, or something is due."""
        with self._changed:
            now = self._clock.monotonic()
            dues = [
                max(self._pace.due_seconds, berth.pace.due_seconds) - now
                for berth in self._berths.values()
                if not berth.lane.is_idle
            ]
            is_ending = self._deadline is not None
            seconds = max(min([*dues, 0.0 if is_ending and not dues else IDLE_SECONDS]), 0.0)
            self._changed.wait_for(lambda: self._has_news, seconds)

    def _end(self) -> None:
        with self._changed:
            lanes = [berth.lane for berth in self._berths.values()]
        for lane in lanes:
            lane.close()
            lost = lane.counts
            if lost.held or lost.gap:
                left = {"results_stored": lost.held, "results_lost": lost.gap}
                fields = {"sink": self.name, "stream": lane.stream, **left}
                log.warning("results_not_delivered", extra=fields)
        self._tell(self.state)
        self._target.close()
        if self._spools:
            self._spools.close()
