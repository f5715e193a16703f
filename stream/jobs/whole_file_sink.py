"""Results of a file that count only if the file was read to its end."""

from stream.frame import FrameResult
from stream.pipeline import StopRequest
from stream.sinks.sink import Sink


class WholeFileSink:
    """Another sink, which is abandoned if a stop was asked for before its end.

    `posestream run` makes final what it has when it is interrupted; a job would take it for all.
    """

    def __init__(self, sink: Sink, stop: StopRequest) -> None:
        self._sink = sink
        self._stop = stop
        self.is_whole = False
        """True after `close`, if no stop was asked for."""

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        self._sink.publish(result)

    def close(self) -> None:
        """See `Sink.close`."""
        if self._stop.requested:
            self._sink.abandon()
            return
        self._sink.close()
        self.is_whole = True

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        self._sink.abandon()
