"""What a live stream publishes to: takes every result at once, whatever the sinks behind it do."""

from stream.delivery.courier import Courier
from stream.delivery.entry_id import NO_ENTRY
from stream.delivery.lane import Lane
from stream.delivery.record import record_of
from stream.frame import FrameResult
from stream.sinks.write_errors import closed_error


class DeliverySink:
    """Implements `stream.sinks.sink.Sink`; used by the thread that publishes the stream.

    `close` and `abandon` are the same and do not wait either: what was published is on its way.
    """

    def __init__(self, stream: str, ways: tuple[tuple[Lane, Courier], ...]) -> None:
        self._stream = stream
        self._ways = ways
        self._last_id = max([NO_ENTRY, *(lane.last_id for lane, _ in ways)])
        self._is_open = True

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`; the error can only be that the sink is closed."""
        if not self._is_open:
            raise closed_error(f"stream {self._stream}")
        record = record_of(result, self._last_id)
        self._last_id = record.id
        for lane, courier in self._ways:
            lane.offer(record)
            courier.wake()

    def close(self) -> None:
        """See `Sink.close`."""
        if not self._is_open:
            return
        self._is_open = False
        for lane, courier in self._ways:
            lane.shut()
            courier.wake()

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        self.close()
