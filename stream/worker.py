"""The data path of `stream/inline.py` on three threads; starts all threads and processes.

::

    decode thread    read_frames             -> entries  (bounded; live: drops the oldest)
    estimate thread  Grouper, EstimateStage  -> groups   (bounded, never drops)
    publish thread   PublishStage            -> sinks

Start order: publish, estimate, decode, so that every channel has its reader first.

Stop order, however the run ends:

1. Decoding ends: the source is at its end, or the stop request is seen at the next frame. The
   decode thread closes the source. If the source is stuck in a read after a stop request, the
   thread is left to itself after a grace period and its channel closed for it.
2. Estimating ends when its channel is closed and empty; after a stop request the frames still
   there are skipped instead of inferred.
3. Publishing ends when its channel is closed and empty. The calling thread then closes the sinks.

A thread that ends, well or not, closes what it writes to and cancels what it reads from. So an
error ends the whole line: threads before it find their channel cancelled, threads after it finish
what they have. The sinks are then abandoned and `run_concurrent` raises the error. From the stop
request or the error on, all joins share the one budget `STOP_SECONDS`.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from subprocess import DEVNULL, Popen
from threading import Thread
from typing import Any

from stream.channel import Channel
from stream.errors import PoseStreamError
from stream.frame import Outcome
from stream.picture import black_picture
from stream.pipeline import (
    Entry,
    EstimateStage,
    Group,
    Grouper,
    GroupUnderWay,
    PublishStage,
    Run,
    RunEnd,
    read_frames,
)
from stream.sinks.fan_out import sealing

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""All threads together may take so long to end once they were asked to."""
STUCK_SOURCE_SECONDS = 0.5
"""A source that gives no frame so long after a stop request is left to itself."""
POLL_SECONDS = 0.02
"""How often the calling thread looks for a stop request, an error or the end."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Our processes do no linear algebra worth the memory of its threads."""
GROUPS_AHEAD = 2
"""Groups that may wait for the publish thread."""


@dataclass(slots=True)
class _Failure:
    """The first error of any thread."""

    error: BaseException | None = None

    def keep(self, error: BaseException) -> None:
        self.error = self.error or error


@dataclass(slots=True)
class _Line:
    """The threads of one run and what lies between them."""

    run: Run
    decoded: Channel[Entry]
    settled: Channel[Group]
    failure: _Failure = field(default_factory=_Failure)

    def decode(self) -> None:
        """Body of the decode thread."""
        with closing(self.run.source):
            for entry in read_frames(self.run):
                if not self.decoded.put(entry):
                    return
                self.run.observer.queue("decoded", len(self.decoded), self.decoded.capacity)

    def estimate(self) -> None:
        """Body of the estimate thread."""
        run = self.run
        grouper = Grouper(run.estimator.batch_size, run.max_wait_seconds)
        stage = EstimateStage(run)
        under_way: deque[GroupUnderWay] = deque()
        while not self.decoded.ended:
            # With something under way it never waits for frames: either the next one is there, or
            # it is time to see what became of the oldest group.
            entry = self.decoded.get(0.0 if under_way else self._patience(grouper))
            now = run.clock.monotonic()
            group = grouper.poll(now) if entry is None else grouper.offer(entry, now)
            if group is not None:
                under_way.append(stage.begin(group))
            nothing_came = entry is None and group is None
            if under_way and (nothing_came or len(under_way) >= stage.depth):
                self._hand_on(stage.finish(under_way.popleft()))
        group = grouper.flush()
        if group is not None:
            under_way.append(stage.begin(group))
        while under_way:
            self._hand_on(stage.finish(under_way.popleft()))

    def _hand_on(self, group: Group) -> None:
        if not self.settled.put(group):
            self.decoded.cancel()  # nobody publishes any more: what is still to come is in vain
        self.run.observer.queue("settled", len(self.settled), self.settled.capacity)

    def _patience(self, grouper: Grouper) -> float | None:
        """How long to wait for one more entry: not past the time the held ones are due."""
        due = grouper.due_seconds()
        endless = due is None or due == float("inf")
        return None if due is None or endless else max(0.0, due - self.run.clock.monotonic())

    def publish(self) -> None:
        """Body of the publish thread."""
        stage = PublishStage(self.run)
        while (group := self.settled.get()) is not None:
            stage.publish(group)

    def threads(self) -> list[Thread]:
        """Publish, estimate, decode: in the order to start them."""
        return [
            self._thread("publish", self.publish, reads=self.settled),
            self._thread("estimate", self.estimate, reads=self.decoded, writes=self.settled),
            self._thread("decode", self.decode, writes=self.decoded),
        ]

    def _thread(
        self,
        name: str,
        body: Callable[[], None],
        reads: Channel[Any] | None = None,
        writes: Channel[Any] | None = None,
    ) -> Thread:
        def guarded() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001 - the thread's end; the caller raises it
                self.failure.keep(error)
            if reads is not None:
                reads.cancel()
            if writes is not None:
                writes.close()

        # Daemons: a source stuck in a read must not keep the process alive.
        return Thread(target=guarded, name=name, daemon=True)


def run_concurrent(run: Run, stop_seconds: float = STOP_SECONDS) -> RunEnd:
    """Runs the path on its threads; returns or raises when all of them have ended.

    Args:
        run: the parts.
        stop_seconds: so long may all threads together take to end once they were asked to.

    Raises:
        PoseStreamError: whatever ended the run early; the sink was then abandoned.
    """
    with sealing(run.sink):
        line = _Line(run, _decoded_channel(run), Channel(GROUPS_AHEAD))
        threads = line.threads()
        for thread in threads:
            thread.start()
        _wait_for_end(run, line, threads)
        _join_all(line, threads, stop_seconds)
        if line.failure.error is not None:
            raise line.failure.error
    return RunEnd.INTERRUPTED if run.stop.requested else RunEnd.COMPLETED


def start_thread(name: str, body: Callable[[], None]) -> Thread:
    """Starts a thread that is no part of a run: the caller ends its body, and joins it.

    An error that leaves the body ends the thread and is logged as `thread_failed`.
    """

    def guarded() -> None:
        try:
            body()
        except Exception:  # the thread's end; nobody above would see it
            log.exception("thread_failed", extra={"thread_name": name})

    thread = Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


def start_process(module: str, words: Sequence[str], fds: Sequence[int]) -> Popen[bytes]:
    """Starts `python -m MODULE PARENT WORDS...`, which is to end when this process does.

    Call it from a thread that lives as long as the process shall: Linux tells a child of the death
    of the thread that started it.

    Args:
        module: whose `main` calls `stream.fleet.child.begin`.
        words: its arguments after the id of this process. No secrets: everybody can read them.
        fds: descriptors that it inherits.
    """
    # A session of its own: Ctrl-C at a terminal is for the supervisor only.
    return Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, str(os.getpid()), *words],
        pass_fds=tuple(fds),
        stdin=DEVNULL,
        start_new_session=True,
        env=os.environ | ONE_THREAD,
    )


def _decoded_channel(run: Run) -> Channel[Entry]:
    capacity = run.estimator.batch_size
    if run.source.description.is_live:
        return Channel(capacity, overtake=_dropped)
    return Channel(capacity * 2)


def _wait_for_end(run: Run, line: _Line, threads: list[Thread]) -> None:
    """Until the threads ended by themselves, one failed, or a stop is asked for."""
    while any(thread.is_alive() for thread in threads):
        if run.stop.requested or line.failure.error is not None:
            return
        next(thread for thread in threads if thread.is_alive()).join(POLL_SECONDS)


def _join_all(line: _Line, threads: list[Thread], stop_seconds: float) -> None:
    """Joins within one budget; the thread that holds up the others is named first."""
    clock = line.run.clock
    deadline = clock.monotonic() + stop_seconds
    publish, estimate, decode = threads
    decode.join(STUCK_SOURCE_SECONDS)
    line.decoded.close()
    for thread in (publish, estimate):
        thread.join(max(0.0, deadline - clock.monotonic()))
        if thread.is_alive():
            line.failure.keep(
                PoseStreamError(
                    f"the {thread.name} thread did not end within {stop_seconds:g} seconds of "
                    "being asked to; what it held is lost"
                )
            )


def _dropped(entry: Entry) -> Entry:
    """The entry overtaken by newer frames, without its pixels."""
    whole = entry.frame.picture
    picture = black_picture(
        whole.width, whole.height, whole.colour_space, full_range=whole.full_range
    )
    outcome = entry.outcome or Outcome.DROPPED
    return replace(entry, frame=replace(entry.frame, picture=picture), outcome=outcome)
