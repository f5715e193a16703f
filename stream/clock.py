"""Time as an argument: the only module that reads a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of now."""

    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary start; for durations and deadlines."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch; may jump when the machine's clock is set."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()  # noqa: TID251 - the one place

    def wall(self) -> float:
        """See `Clock.wall`."""
        return time.time()  # noqa: TID251 - the one place


class ManualClock:
    """A clock that stands still until told; for tests and replays."""

    def __init__(self, monotonic: float = 0.0, wall: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._monotonic

    def wall(self) -> float:
        """See `Clock.wall`."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Moves both readings forward.

        Raises:
            ValueError: if `seconds` is negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"a clock advances by 0 or more seconds, got {seconds}")
        self._monotonic += seconds
        self._wall += seconds
