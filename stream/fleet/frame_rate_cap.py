"""Chooses so many frames a second, evenly; pure, time is an argument."""

from math import ceil


class FrameRateCap:
    """Admits the first frame at or after each point of a grid.

    The grids of several streams lie apart by their phases, so that frames of streams with the same
    cap do not all come to the engine together. The first frame of all is admitted at once.
    """

    def __init__(self, max_fps: float | None, phase: float = 0.0) -> None:
        """`max_fps` None admits everything; `phase` in [0, 1) is a share of the period."""
        self._period = None if max_fps is None else 1 / max_fps
        self._phase = phase
        self._due: float | None = None

    def admits(self, now_seconds: float) -> bool:
        """Whether a frame that came now is to be inferred."""
        if self._period is None:
            return True
        if self._due is None:
            self._due = self._first_point(now_seconds + self._period, self._period)
            return True
        if now_seconds < self._due:
            return False
        # One missed point may be made up for (frames jitter), more may not.
        self._due = max(self._due, now_seconds - self._period) + self._period
        return True

    def _first_point(self, seconds: float, period: float) -> float:
        return (ceil(seconds / period - self._phase) + self._phase) * period


def spread_phase(number: int) -> float:
    """Phases in [0, 1) that lie well apart, however many streams there are (golden ratio)."""
    return number * 0.6180339887498949 % 1.0
