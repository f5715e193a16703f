"""A target in memory whose bad days are made to order: for tests and for embedding."""

from collections import defaultdict
from collections.abc import Sequence

from stream.delivery.entry_id import NO_ENTRY, EntryId
from stream.delivery.record import Message
from stream.errors import SinkError


class MemoryTarget:
    """Implements `Target`; keeps every message, so not for long streams."""

    def __init__(self, chunk: int = 16) -> None:
        self.chunk = chunk
        self.received: dict[str, list[Message]] = defaultdict(list)
        """Per stream, oldest first."""
        self.refusal: SinkError | None = None
        """Raised by every `deliver` while it is set."""
        self.takes_before_refusing = False
        """The messages arrive all the same: only the confirmation is lost."""
        self.is_closed = False
        self.forgotten: list[str] = []
        self._last: dict[str, EntryId] = {}

    def deliver(self, stream: str, messages: Sequence[Message]) -> None:
        """See `Target.deliver`."""
        if self.refusal is None or self.takes_before_refusing:
            for message in messages:
                if message.id > self._last.get(stream, NO_ENTRY):
                    self.received[stream].append(message)
                    self._last[stream] = message.id
        if self.refusal is not None:
            raise self.refusal

    def forget(self, stream: str) -> None:
        """See `Target.forget`."""
        self.forgotten.append(stream)

    def close(self) -> None:
        """See `Target.close`."""
        self.is_closed = True
