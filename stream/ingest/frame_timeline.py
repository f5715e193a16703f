"""Epoch, index and time of every frame from what its container says; pure."""

from dataclasses import dataclass
from fractions import Fraction

JITTER_SECONDS = 1
"""A step back by no more than this is disorder (damaged frames come out of turn): time waits."""
LIVE_GAP_SECONDS = 10
"""A live stream that leaps forward by more than this has a new clock."""


@dataclass(frozen=True, slots=True)
class FrameTime:
    """What names a frame within its stream, and when it is shown."""

    epoch: int
    index: int
    pts_seconds: float


class FrameTimeline:
    """Turns presentation times into times that never go back within an epoch.

    A step back by more than `JITTER_SECONDS` starts a new epoch, and on live streams so does a leap
    by more than `LIVE_GAP_SECONDS`. A frame without a time follows its predecessor by one step.
    Times are fractions: a sum of many steps must not drift.
    """

    def __init__(self, step_seconds: Fraction, *, is_live: bool) -> None:
        self._step = step_seconds
        self._is_live = is_live
        self._epoch = 0
        self._index = -1
        self._last = Fraction(0)
        # The time that counts as 0. Files know theirs; a live stream's is that of its first frame.
        self._zero: Fraction | None = None if is_live else Fraction(0)

    def place(self, seconds: Fraction | None) -> FrameTime:
        """The next frame's place.

        Args:
            seconds: its presentation time; for files since the start of the file. None: unknown.
        """
        now = self._next() if seconds is None else self._since_zero(seconds)
        if seconds is not None and self._is_broken(now):
            self._epoch += 1
            self._index = -1
            self._zero, now, self._last = seconds, Fraction(0), Fraction(0)
        self._index += 1
        self._last = max(now, self._last)
        return FrameTime(self._epoch, self._index, float(self._last))

    def _next(self) -> Fraction:
        return self._last + self._step if self._index >= 0 else self._last

    def _since_zero(self, seconds: Fraction) -> Fraction:
        if self._zero is None:
            # Frames before this one may have come without a time.
            self._zero = seconds - self._next()
        return seconds - self._zero

    def _is_broken(self, now: Fraction) -> bool:
        if self._index < 0:
            return False
        leaps = self._is_live and now > self._last + LIVE_GAP_SECONDS
        return leaps or now < self._last - JITTER_SECONDS
