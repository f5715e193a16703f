"""Epoch, index and time of every frame from what its container says; pure."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

JITTER_SECONDS = 1
"""A step back by no more than this is disorder (damaged frames come out of turn): time waits."""
LIVE_GAP_SECONDS = 10
"""A live stream that leaps forward by more than this has a new clock."""
WRAP_SECONDS = (Fraction(2**32, 90_000), Fraction(2**33, 90_000))
"""Counters of 90 kHz begin again: RTP's after 13 h 15 min, MPEG-TS's after 26 h 31 min."""
CLOCK_STEP_SECONDS = 0.5
"""The machine's clock was set if it moved so much against the one that never jumps; a clock that is
disciplined slowly drifts by half a millisecond a second at most."""


class TimeJump(StrEnum):
    """Why a new epoch begins."""

    BACK = "back"
    FORWARD = "forward"
    WRAP = "wrap"
    """The counter of the stream's clock was full and began again."""
    CLOCK = "clock"
    """The clock of this machine was set: capture times before and after do not compare."""


@dataclass(frozen=True, slots=True)
class FrameTime:
    """What names a frame within its stream, and when it is shown."""

    epoch: int
    index: int
    pts_seconds: float
    jump: TimeJump | None = None
    """Set on the first frame of a new epoch."""


class FrameTimeline:
    """Turns presentation times into times that never go back within an epoch.

    A step back by more than `JITTER_SECONDS` starts a new epoch, and on live streams so does a leap
    by more than `LIVE_GAP_SECONDS` or a step of the machine's clock. A frame without a time follows
    its predecessor by one step. Times are fractions: a sum of many steps must not drift.
    """

    def __init__(self, step_seconds: Fraction, *, is_live: bool) -> None:
        self._step = step_seconds
        self._is_live = is_live
        self._epoch = 0
        self._index = -1
        self._last = Fraction(0)
        # The time that counts as 0. Files know theirs; a live stream's is that of its first frame.
        self._zero: Fraction | None = None if is_live else Fraction(0)
        self._clock_offset: float | None = None

    def place(
        self, seconds: Fraction | None, clock_offset_seconds: float | None = None
    ) -> FrameTime:
        """The next frame's place.

        Args:
            seconds: its presentation time; for files since the start of the file. None: unknown.
            clock_offset_seconds: wall clock minus monotonic clock when the frame was decoded; only
                its changes matter, and only on live streams.
        """
        now = self._next() if seconds is None else self._since_zero(seconds)
        jump = self._clock_jump(clock_offset_seconds) or self._jump(now)
        if jump is not None:
            self._epoch += 1
            self._index = -1
            self._zero, now, self._last = seconds, Fraction(0), Fraction(0)
        self._index += 1
        self._last = max(now, self._last)
        return FrameTime(self._epoch, self._index, float(self._last), jump)

    def _next(self) -> Fraction:
        return self._last + self._step if self._index >= 0 else self._last

    def _since_zero(self, seconds: Fraction) -> Fraction:
        if self._zero is None:
            # Frames before this one may have come without a time.
            self._zero = seconds - self._next()
        return seconds - self._zero

    def _jump(self, now: Fraction) -> TimeJump | None:
        """Whether the stream's own clock jumped before this frame."""
        if self._index < 0:
            return None
        if self._is_live and now > self._last + LIVE_GAP_SECONDS:
            return TimeJump.FORWARD
        if now >= self._last - JITTER_SECONDS:
            return None
        ahead = (now + period - self._last for period in WRAP_SECONDS)
        return (
            TimeJump.WRAP if any(0 <= step <= LIVE_GAP_SECONDS for step in ahead) else TimeJump.BACK
        )

    def _clock_jump(self, offset_seconds: float | None) -> TimeJump | None:
        """Whether this machine's clock was set since the frame before."""
        before, self._clock_offset = self._clock_offset, offset_seconds
        if not self._is_live or before is None or offset_seconds is None:
            return None
        return TimeJump.CLOCK if abs(offset_seconds - before) > CLOCK_STEP_SECONDS else None
