"""How long to leave a sink alone after a failure; pure."""

FIRST_SECONDS = 0.1
MOST_SECONDS = 5.0


class RetryPace:
    """Waits longer after each failure, up to `MOST_SECONDS`, and never gives up."""

    def __init__(self) -> None:
        self._failures = 0
        self._due_seconds = float("-inf")

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    @property
    def due_seconds(self) -> float:
        """Monotonic time of the next attempt."""
        return self._due_seconds

    def failed(self, now_seconds: float) -> None:
        """An attempt failed just now."""
        self._due_seconds = now_seconds + min(FIRST_SECONDS * 2**self._failures, MOST_SECONDS)
        self._failures = min(self._failures + 1, 16)

    def succeeded(self) -> None:
        """An attempt succeeded."""
        self._failures = 0
        self._due_seconds = float("-inf")
