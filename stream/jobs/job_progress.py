"""How far a job is, and when it will be over; time is an argument."""

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class ProgressNow:
    """What a progress line shows."""

    files: int
    done: int
    failed: int
    running: tuple[str, ...]
    """Names of the files that are being read."""
    frames: int
    """Of this process."""
    frames_per_second: float
    share: float
    """Of the bytes of all files, in [0, 1]."""
    eta_seconds: float | None
    """None while there is nothing to tell from."""


@dataclass(slots=True)
class _Running:
    size_bytes: int
    frames_expected: int | None
    frames: int = 0

    @property
    def bytes_done(self) -> float:
        if not self.frames_expected:
            return 0.0
        return self.size_bytes * min(self.frames / self.frames_expected, 1.0)


class JobProgress:
    """Counts for several threads."""

    def __init__(self, files: int, done: int, failed: int, left_bytes: int, now: float) -> None:
        """At the start: of `files` so many were done or failed earlier, the rest is left."""
        self._files, self._done, self._failed = files, done, failed
        self._left_bytes = left_bytes
        self._started_seconds = now
        self._frames = 0
        self._done_bytes = 0
        self._running: dict[str, _Running] = {}
        self._lock = Lock()

    def began(self, name: str, size_bytes: int, frames_expected: int | None) -> None:
        """A file was opened; the number of its frames may be unknown."""
        with self._lock:
            self._running[name] = _Running(size_bytes, frames_expected)

    def frame(self, name: str) -> None:
        """One more frame of it has a result."""
        with self._lock:
            self._frames += 1
            self._running[name].frames += 1

    def ended(self, name: str, size_bytes: int, *, failed: bool) -> None:
        """A file is done or failed."""
        with self._lock:
            self._running.pop(name, None)
            self._done_bytes += size_bytes
            if failed:
                self._failed += 1
            else:
                self._done += 1

    def now(self, now_seconds: float) -> ProgressNow:
        """How far it is."""
        with self._lock:
            running = dict(self._running)
            elapsed = max(now_seconds - self._started_seconds, 1e-9)
            through = self._done_bytes + sum(one.bytes_done for one in running.values())
            share = min(through / self._left_bytes, 1.0) if self._left_bytes else 1.0
            eta = elapsed * (1 - share) / share if share > 0 else None
            counts = (self._files, self._done, self._failed, tuple(running), self._frames)
            return ProgressNow(*counts, self._frames / elapsed, share, eta)
