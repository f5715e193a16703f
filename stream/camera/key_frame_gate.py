"""What a camera does for a client that reads too slowly: it leaves pictures out."""

MAX_BACKLOG_BYTES = 4 * 2**20
"""Some seconds of video; more is not kept for a client that does not read it."""


class KeyFrameGate:
    """Closes when too much waits for the client; opens again with a key frame."""

    def __init__(self) -> None:
        self._is_closed = False
        self.skipped = 0
        """Access units left out so far."""

    def admits(self, *, is_key: bool, backlog_bytes: int) -> bool:
        """Whether the next access unit is to be sent."""
        if backlog_bytes > MAX_BACKLOG_BYTES:
            self._is_closed = True
        elif is_key:
            self._is_closed = False
        self.skipped += self._is_closed
        return not self._is_closed
