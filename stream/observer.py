"""Who is told what happens in a run: statistics, metrics, the progress line."""

from collections.abc import Sequence
from typing import Protocol

from stream.frame import Frame, FrameResult
from stream.ingest.decode_ladder import DecodeRung, StepReason


class Observer(Protocol):
    """Told what happens; must be quick, and safe to call from several threads."""

    def frame_read(self, frame: Frame) -> None:
        """A frame left the decoder."""
        ...

    def stage(self, stage: str, seconds: float) -> None:
        """A stage took so long for one frame or batch."""
        ...

    def batch(self, size: int) -> None:
        """So many frames went through the engine together."""
        ...

    def queue(self, queue: str, length: int, capacity: int) -> None:
        """So many items wait between two threads, and so many may."""
        ...

    def packets_corrupt(self, count: int) -> None:
        """So many more packets gave no frame."""
        ...

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """A step of the decode ladder was left."""
        ...

    def published(self, result: FrameResult) -> None:
        """A frame met its outcome, and the sinks have it."""
        ...


class ObserverGroup:
    """Tells several observers, in the order given."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def frame_read(self, frame: Frame) -> None:
        """See `Observer.frame_read`."""
        for observer in self._observers:
            observer.frame_read(frame)

    def stage(self, stage: str, seconds: float) -> None:
        """See `Observer.stage`."""
        for observer in self._observers:
            observer.stage(stage, seconds)

    def batch(self, size: int) -> None:
        """See `Observer.batch`."""
        for observer in self._observers:
            observer.batch(size)

    def queue(self, queue: str, length: int, capacity: int) -> None:
        """See `Observer.queue`."""
        for observer in self._observers:
            observer.queue(queue, length, capacity)

    def packets_corrupt(self, count: int) -> None:
        """See `Observer.packets_corrupt`."""
        for observer in self._observers:
            observer.packets_corrupt(count)

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """See `Observer.decode_stepped_down`."""
        for observer in self._observers:
            observer.decode_stepped_down(rung, reason)

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        for observer in self._observers:
            observer.published(result)
