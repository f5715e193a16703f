"""The seam between the delivery and wherever results go."""

from collections.abc import Sequence
from typing import Protocol

from stream.delivery.record import Message


class Target(Protocol):
    """Takes messages of many streams; used by one thread. It may be slow, never endless."""

    @property
    def chunk(self) -> int:
        """How many results it takes at once, at most."""
        ...

    def deliver(self, stream: str, messages: Sequence[Message]) -> None:
        """Takes messages of one stream, in order.

        After an error the caller brings the same messages again, and perhaps more after them; what
        had arrived by then must not be doubled.

        Raises:
            SinkAwayError: if it takes nothing from any stream at present.
            SinkError: if it does not take these.
        """
        ...

    def forget(self, stream: str) -> None:
        """The stream has ended: keep nothing about it."""
        ...

    def close(self) -> None:
        """Frees everything; never raises."""
        ...
