"""How the threads of one process share its line to the supervisor."""

from collections.abc import Callable
from threading import Condition

from stream.fleet.link import Link
from stream.fleet.messages import Message

LOOK_SECONDS = 0.05
"""How often who waits looks whether it still should."""


class Outbox:
    """Safe to use from several threads. What the line does not take waits, and `flush` sends it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._changed = Condition()

    def put(self, message: Message, tail: bytes = b"", fds: tuple[int, ...] = ()) -> None:
        """Sends a message.

        Raises:
            LinkError: if the supervisor is gone or does not listen.
        """
        with self._changed:
            self._link.send(message, tail, fds)

    def flush(self) -> None:
        """Sends what waits.

        Raises:
            LinkError: if the supervisor is gone.
        """
        with self._changed:
            self._link.flush()

    def wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Sleeps so long, or until it is over, give or take `LOOK_SECONDS`."""
        left = seconds
        while left > 0 and not is_over():
            with self._changed:
                self._changed.wait(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS
