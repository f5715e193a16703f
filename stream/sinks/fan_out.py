"""Several sinks as one, and the one way a run ends with its sinks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stream.errors import SinkError
from stream.frame import FrameResult
from stream.sinks.sink import Sink


class FanOutSink:
    """Hands every result to several sinks, in the order given; with none, results go nowhere."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._open = list(sinks)

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`; the first sink that fails ends it."""
        for sink in self._open:
            sink.publish(result)

    def close(self) -> None:
        """Closes every sink, even after one failed.

        Raises:
            SinkError: the first failure; the sinks that failed can still be abandoned.
        """
        failures: list[tuple[Sink, SinkError]] = []
        for sink in self._open:
            try:
                sink.close()
            except SinkError as error:
                failures.append((sink, error))
        self._open = [sink for sink, _ in failures]
        if failures:
            raise failures[0][1]

    def abandon(self) -> None:
        """Abandons every sink that was not closed."""
        for sink in self._open:
            sink.abandon()
        self._open = []


@contextmanager
def sealing(sink: Sink) -> Iterator[Sink]:
    """Closes the sink after a good end of the block, abandons it after an error."""
    try:
        yield sink
        sink.close()
    except BaseException:
        sink.abandon()
        raise
