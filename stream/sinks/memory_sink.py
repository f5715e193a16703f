"""Keeps results in memory: for tests, notebooks and embedding."""

from stream.errors import SinkError
from stream.frame import FrameResult


class MemorySink:
    """Holds every result, pictures included, until it is thrown away: not for long streams."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.is_complete = False
        """True after `close`; stays False after `abandon`."""
        self._is_open = True

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        if not self._is_open:
            raise SinkError("memory sink: it is closed and takes no more results; make a new one")
        self.results.append(result)

    def close(self) -> None:
        """See `Sink.close`."""
        self.is_complete = self.is_complete or self._is_open
        self._is_open = False

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        self._is_open = False
