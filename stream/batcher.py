"""Groups frames into batches: full, or due. Pure; time is an argument."""

from collections import deque

from stream.errors import ConfigError
from stream.frame import Frame, FrameBatch


class Batcher:
    """Holds at most one batch of frames and says when it should go.

    A batch goes when it is full, or when its oldest frame has waited `max_wait_seconds` (infinite
    for files, where only the end flushes). Frames leave in the order they came.
    """

    def __init__(self, size: int, max_wait_seconds: float = float("inf")) -> None:
        if size < 1 or max_wait_seconds < 0:
            raise ConfigError(
                f"batch size must be >= 1 and wait >= 0, got {size}, {max_wait_seconds}"
            )
        self._size = size
        self._max_wait_seconds = max_wait_seconds
        self._held: deque[tuple[float, Frame]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def offer(self, frame: Frame, now_seconds: float) -> FrameBatch | None:
        """Takes a frame; returns the batch it completes, if it does."""
        self._held.append((now_seconds, frame))
        return self.flush() if len(self._held) >= self._size else None

    def poll(self, now_seconds: float) -> FrameBatch | None:
        """The held frames if the oldest has waited long enough."""
        due = self.due_seconds()
        return self.flush() if due is not None and now_seconds >= due else None

    def due_seconds(self) -> float | None:
        """When `poll` will give a batch; None while nothing is held."""
        return self._held[0][0] + self._max_wait_seconds if self._held else None

    def flush(self) -> FrameBatch | None:
        """All held frames, whether due or not; None if there are none."""
        if not self._held:
            return None
        batch = tuple(frame for _, frame in self._held)
        self._held.clear()
        return batch
