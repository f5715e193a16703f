"""The decoder processes: which stream is read where, and what becomes of it when one ends.

A process is started when a stream finds no room in another, and ended when its last stream left. A
stream whose processes died under it again and again gets one for itself: so it can take no others
with it.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from stream.fleet.messages import CloseStream, SegmentMade, StreamOrder
from stream.fleet.segment import SegmentError
from stream.fleet.shared_segment import SharedSegment
from stream.fleet.supervised_process import ProcessPlan, SupervisedProcess
from stream.metrics import Metrics

log = logging.getLogger(__name__)

END_REASONS = ("died", "hang", "memory", "nonsense")
DEATHS_BEFORE_ALONE = 2
IDLE_SECONDS = 2.0
"""A process without a stream stays for so long: another may come, and the last words are read."""
START_SECONDS = 30.0
"""A process that is just starting may be silent for so long."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """How decoder processes are started and watched."""

    process: ProcessPlan
    streams_per_worker: int
    silence_seconds: float
    memory_bytes: int


@dataclass(slots=True, eq=False)
class DecoderWorker:
    """One decoder process and what it does."""

    process: SupervisedProcess
    is_exclusive: bool = False
    """Has one stream that killed others."""
    is_tainted: bool = False
    """A reader hangs in it: nothing new goes there."""
    has_spoken: bool = False
    idle_since_seconds: float | None = None
    streams: set[str] = field(default_factory=set)
    segments: dict[int, SharedSegment] = field(default_factory=dict)
    """By the number that the decoder gave; retired ones leave when nobody needs them."""


Lost = Callable[[str, str], None]
"""Told the stream whose process died, and why in words."""


class DecoderPool:
    """Used by the supervisor's thread."""

    def __init__(
        self,
        plan: PoolPlan,
        metrics: Metrics,
        on_lost: Lost,
        on_segment_over: Callable[[SharedSegment], None],
    ) -> None:
        self._plan, self._metrics = plan, metrics
        metrics.daemon.open_process("decoder", END_REASONS)
        self._on_lost, self._on_segment_over = on_lost, on_segment_over
        self._workers: list[DecoderWorker] = []
        self._places: dict[str, DecoderWorker] = {}
        """Stream -> where it is read."""
        self._deaths: dict[str, int] = {}
        """Stream -> processes that died under it; evicted by `forget`."""
        self._retired: list[SharedSegment] = []
        self._segment_numbers = count(1)
        self._is_stopping = False
        self.restarts = 0

    def __iter__(self) -> Iterator[DecoderWorker]:
        return iter(tuple(self._workers))

    def worker_of(self, stream: str) -> DecoderWorker | None:
        """Where a stream is read."""
        return self._places.get(stream)

    def open(self, order: StreamOrder, now_seconds: float) -> None:
        """Has a stream read, in a process that has room for it."""
        worker = self._room_for(order.stream, now_seconds)
        worker.streams.add(order.stream)
        self._places[order.stream] = worker
        worker.process.send(order)

    def close(self, stream: str, run: int) -> None:
        """Has a stream not read any more."""
        worker = self._places.pop(stream, None)
        if worker is not None:
            worker.process.send(CloseStream(stream=stream, run=run))
            self._left(worker, stream)

    def abandon(self, stream: str, run: int) -> None:
        """The stream's reader hangs: nothing new goes into its process."""
        worker = self._places.get(stream)
        if worker is not None:
            worker.is_tainted = True
            log.warning("reader_hangs", extra={"stream": stream, "worker": worker.process.name})
        self.close(stream, run)

    def forget(self, stream: str) -> None:
        """The stream is removed."""
        self._deaths.pop(stream, None)

    def was_stable(self, stream: str) -> None:
        """The stream did well for a while: it is not what kills processes."""
        self._deaths.pop(stream, None)

    def segment_made(self, worker: DecoderWorker, fd: int, made: SegmentMade) -> None:
        """A decoder hands over new memory; older memory of the same stream is left.

        Raises:
            SegmentError: if the memory is not what the decoder says.
        """
        if made.segment in worker.segments:
            raise SegmentError(f"segment {made.segment} was there before")
        segment = SharedSegment(next(self._segment_numbers), made, fd, worker.process)
        self.retire(worker, made.stream)
        worker.segments[made.segment] = segment

    def retire(self, worker: DecoderWorker, stream: str) -> None:
        """No more frames of the stream come in the memory that is known so far."""
        old = [n for n, one in worker.segments.items() if one.made.stream == stream]
        for number in old:
            self._retire(worker.segments.pop(number))

    def tick(self, now_seconds: float) -> None:
        """Ends what hangs, and what has nothing to do; frees memory that is over."""
        for worker in self:
            silent = now_seconds - worker.process.last_sign_seconds
            allowed = self._plan.silence_seconds if worker.has_spoken else START_SECONDS
            if silent > allowed:
                self.end(worker, "hang")
            elif worker.streams:
                worker.idle_since_seconds = None
            elif worker.idle_since_seconds is None:
                worker.idle_since_seconds = now_seconds
            elif now_seconds >= worker.idle_since_seconds + IDLE_SECONDS:
                self._dismiss(worker)
        over = [segment for segment in self._retired if segment.is_over]
        for segment in over:
            self._retired.remove(segment)
            self._on_segment_over(segment)
            segment.close()

    def memory_is_over(self, used_bytes: int) -> bool:
        """Whether a process takes more memory than it may."""
        return used_bytes > self._plan.memory_bytes

    def end(self, worker: DecoderWorker, reason: str) -> None:
        """The process is gone or must go: its streams are lost, and connect anew elsewhere."""
        if worker not in self._workers:
            return
        worker.process.kill()
        fields = {"worker": worker.process.name, "reason": reason}
        log.warning("process_restarted", extra={**fields, "how": worker.process.end_in_words()})
        self._metrics.daemon.process_restarted("decoder", reason)
        self.restarts += 1
        self._remove(worker)
        for stream in sorted(worker.streams):
            self._places.pop(stream, None)
            self._deaths[stream] = self._deaths.get(stream, 0) + 1
            words = f"stream {stream}: the process that read it ended ({reason})"
            self._on_lost(stream, words)

    def gone(self, worker: DecoderWorker) -> None:
        """The process closed its line: it died, or was asked to stop."""
        if self._is_stopping:
            self._dismiss(worker)
        else:
            self.end(worker, "died")

    def ask_all_to_stop(self) -> None:
        """They should end by themselves soon."""
        self._is_stopping = True
        for worker in self._workers:
            worker.process.ask_to_stop()

    def close_all(self) -> None:
        """Ends every process."""
        for worker in self:
            worker.process.kill()
            self._remove(worker)
        for segment in self._retired:
            segment.close()
        self._retired.clear()

    def _room_for(self, stream: str, now_seconds: float) -> DecoderWorker:
        if self._deaths.get(stream, 0) >= DEATHS_BEFORE_ALONE:
            return self._start(now_seconds, is_exclusive=True)
        room = self._plan.streams_per_worker
        free = [
            worker
            for worker in self._workers
            if not (worker.is_exclusive or worker.is_tainted) and len(worker.streams) < room
        ]
        fullest = max(free, key=lambda worker: len(worker.streams), default=None)
        return fullest or self._start(now_seconds, is_exclusive=False)

    def _start(self, now_seconds: float, *, is_exclusive: bool) -> DecoderWorker:
        taken = {worker.process.name for worker in self._workers}
        # Names are used again: they are labels of metrics.
        name = next(n for n in (f"decoder-{k}" for k in count()) if n not in taken)
        process = SupervisedProcess(name, self._plan.process, now_seconds)
        worker = DecoderWorker(process, is_exclusive)
        self._workers.append(worker)
        return worker

    def _left(self, worker: DecoderWorker, stream: str) -> None:
        worker.streams.discard(stream)
        self.retire(worker, stream)

    def _dismiss(self, worker: DecoderWorker) -> None:
        """Nothing is left to do for it."""
        worker.process.kill()
        self._remove(worker)

    def _remove(self, worker: DecoderWorker) -> None:
        self._workers.remove(worker)
        self._metrics.daemon.forget_process(worker.process.name)
        for segment in worker.segments.values():
            self._retire(segment)
        worker.segments.clear()

    def _retire(self, segment: SharedSegment) -> None:
        segment.retire()
        self._retired.append(segment)
