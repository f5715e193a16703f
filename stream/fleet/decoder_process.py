"""The decoder process: several streams, a thread each; started by the supervisor.

The main thread takes orders and shows that it is alive. A reader that hangs in native code stays
where it is: the supervisor gives its stream to another process, and ends this one when its other
streams have gone.
"""

import logging
import select
import sys
from itertools import count

from stream.clock import SystemClock
from stream.fleet.child import SIGN_SECONDS, OrphanError, Parent, begin, end_at_once
from stream.fleet.link import LinkError
from stream.fleet.messages import Alive, CloseStream, Message, ReturnSlot, Stop, StreamOrder
from stream.fleet.outbox import Outbox
from stream.fleet.stream_reader import StreamReader
from stream.logs import configure_logs
from stream.worker import start_thread

MAX_SEGMENTS_OF_A_RUN = 1_000_000
"""Numbers of segments are unique within the process."""


class Decoder:
    """Takes orders; a reader's thread for each stream."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._outbox = Outbox(parent.link)
        self._clock = SystemClock()
        self._segments = count(0, MAX_SEGMENTS_OF_A_RUN)
        self._readers: dict[tuple[str, int], StreamReader] = {}
        """By stream and run; a run that ended is evicted by its thread."""
        self._by_segments: dict[int, StreamReader] = {}
        self._is_over = False
        self._sign_due = float("-inf")

    def run(self) -> None:
        """Until told to stop, or the supervisor is gone."""
        while not self._is_over:
            self._parent.check()
            self._show_sign()
            writes = [self._parent.link] if self._parent.link.has_more else []
            readable, _, _ = select.select([self._parent.link], writes, [], SIGN_SECONDS)
            self._outbox.flush()
            if readable:
                for parcel in self._parent.link.receive():
                    self._obey(parcel.message)

    def _show_sign(self) -> None:
        now = self._clock.monotonic()
        if now >= self._sign_due:
            self._sign_due = now + SIGN_SECONDS
            self._outbox.put(Alive())

    def _obey(self, message: Message) -> None:
        if isinstance(message, StreamOrder):
            self._open(message)
        elif isinstance(message, CloseStream):
            reader = self._readers.get((message.stream, message.run))
            if reader is not None:
                reader.is_closed = True
        elif isinstance(message, ReturnSlot):
            first = message.segment // MAX_SEGMENTS_OF_A_RUN * MAX_SEGMENTS_OF_A_RUN
            reader = self._by_segments.get(first)
            if reader is not None:
                reader.give_back(message.segment, message.slot)
        elif isinstance(message, Stop):
            self._is_over = True

    def _open(self, order: StreamOrder) -> None:
        first = next(self._segments)
        reader = StreamReader(order, self._outbox, self._clock, first)
        key = order.stream, order.run
        self._readers[key] = self._by_segments[first] = reader

        def read() -> None:
            try:
                reader.run()
            except LinkError:
                # The main thread finds that, too, and ends the process.
                pass
            finally:
                self._readers.pop(key, None)
                self._by_segments.pop(first, None)

        start_thread(f"read {order.stream}", read)


def main(arguments: list[str]) -> None:
    """The process, from its begin to its end."""
    configure_logs(logging.WARNING)
    code = 0
    try:
        Decoder(begin(arguments)).run()
    except (OrphanError, LinkError):
        code = 1
    # Readers may be stuck in FFmpeg; nothing of theirs is worth a wait.
    end_at_once(code)


if __name__ == "__main__":
    main(sys.argv[1:])
