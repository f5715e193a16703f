"""Which frames ride together, and whose turn it is; pure, time is an argument.

Every stream has room for one frame, the newest. Whenever the engine could take a batch, frames move
from there into the `Batcher`, those of the stream first that was served least (start-time fair
queueing: a stream that sent nothing for a while does not save up turns), then those that are due
first. So whatever one stream sends, the others get their share.
"""

from dataclasses import dataclass

from stream.batcher import Batcher
from stream.frame import Frame, FrameBatch


@dataclass(frozen=True, slots=True, eq=False)
class WaitingFrame:
    """A frame that waits for its turn."""

    frame: Frame
    arrived_seconds: float
    """Monotonic time at which it left the decoder."""
    due_seconds: float
    """Monotonic time at which its result should be there."""


class FrameSchedule:
    """The frames of all streams of one model."""

    def __init__(self, batch_size: int, max_wait_seconds: float, stale_seconds: float) -> None:
        """A batch has at most `batch_size` frames, of as many streams.

        Args:
            batch_size: frames that ride together.
            max_wait_seconds: how long a frame waits for others to ride with.
            stale_seconds: a frame that waited so long for its turn is not worth it any more.
        """
        self._batcher = Batcher(batch_size, max_wait_seconds)
        self._stale_seconds = stale_seconds
        self._waiting: dict[str, WaitingFrame] = {}
        self._served: dict[str, float] = {}
        """Stream -> its virtual time; evicted by `remove`."""
        self._time = 0.0
        """Virtual time: that of the stream served last."""
        self._in_batcher: set[str] = set()

    def __len__(self) -> int:
        """Frames that wait, those in the unfinished batch included."""
        return len(self._waiting) + len(self._batcher)

    def offer(self, waiting: WaitingFrame) -> WaitingFrame | None:
        """Takes a stream's newest frame; gives the one that it overtook."""
        stream = waiting.frame.stream
        overtaken = self._waiting.pop(stream, None)
        if overtaken is None:
            self._served[stream] = max(self._served.get(stream, 0.0), self._time)
        self._waiting[stream] = waiting
        return overtaken

    def drop_stale(self, now_seconds: float) -> list[WaitingFrame]:
        """Takes out the frames that waited too long."""
        limit = now_seconds - self._stale_seconds
        stale = [waiting for waiting in self._waiting.values() if waiting.arrived_seconds <= limit]
        for waiting in stale:
            del self._waiting[waiting.frame.stream]
        return stale

    def take(self, now_seconds: float) -> FrameBatch | None:
        """The next batch, if one is full or due. Call it only if it can go at once."""
        while (stream := self._next_stream()) is not None:
            waiting = self._waiting.pop(stream)
            self._time = self._served[stream]
            self._served[stream] += 1.0
            self._in_batcher.add(stream)
            if (batch := self._batcher.offer(waiting.frame, now_seconds)) is not None:
                return self._gone(batch)
        if len(self._in_batcher) >= len(self._served):
            # Nobody is left that a frame could wait for.
            return self._gone(self._batcher.flush())
        return self._gone(self._batcher.poll(now_seconds))

    def due_seconds(self) -> float | None:
        """When `take` should be called again, if nothing else comes; None: not before."""
        return self._batcher.due_seconds()

    def remove(self, stream: str) -> list[Frame]:
        """Forgets a stream; gives its frame that waits. One in the unfinished batch still goes."""
        self._served.pop(stream, None)
        waiting = self._waiting.pop(stream, None)
        return [] if waiting is None else [waiting.frame]

    def flush(self) -> list[Frame]:
        """All frames; nothing waits any more."""
        batch = self._gone(self._batcher.flush()) or ()
        frames = [*batch, *(waiting.frame for waiting in self._waiting.values())]
        self._waiting.clear()
        return frames

    def _gone(self, batch: FrameBatch | None) -> FrameBatch | None:
        if batch is not None:
            self._in_batcher.clear()
        return batch

    def _next_stream(self) -> str | None:
        ready = [stream for stream in self._waiting if stream not in self._in_batcher]
        return min(ready, key=self._rank, default=None)

    def _rank(self, stream: str) -> tuple[float, float]:
        return self._served[stream], self._waiting[stream].due_seconds
