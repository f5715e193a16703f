"""A process of the daemon, seen from the supervisor: its line, its signs, its end."""

import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import TimeoutExpired

from stream.fleet.link import LinkError, Parcel, new_line
from stream.fleet.messages import Message, Stop
from stream.worker import start_process

log = logging.getLogger(__name__)

REAP_SECONDS = 1.0
"""After SIGKILL a process is gone at once, but for one that waits for a device."""


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """What to start."""

    module: str
    words: tuple[str, ...] = ()


class SupervisedProcess:
    """Runs from its making to `kill`."""

    def __init__(self, name: str, plan: ProcessPlan, now_seconds: float) -> None:
        """Starts it; the calling thread must live as long as the process shall."""
        self.name = name
        self.last_sign_seconds = now_seconds
        """Monotonic time at which something came from it."""
        self.link, theirs = new_line()
        with theirs:
            fd = theirs.fileno()
            self._process = start_process(plan.module, [str(fd), *plan.words], [fd])
        self.is_gone = False

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def send(self, message: Message, tail: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Sends a message; to a process that is gone, nothing.

        Whether it is gone is found by `receive`, so that it is found in one place.
        """
        if not self.is_gone:
            with suppress(LinkError):
                self.link.send(message, tail, tuple(fds))

    def receive(self, now_seconds: float) -> list[Parcel]:
        """What came from it.

        Raises:
            LinkError: if it is gone, or talks nonsense.
        """
        parcels = self.link.receive()
        if parcels:
            self.last_sign_seconds = now_seconds
        return parcels

    def ask_to_stop(self) -> None:
        """It should end by itself soon."""
        self.send(Stop())

    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def end_in_words(self) -> str:
        """How it ended: its exit code, or the signal."""
        code = self._process.poll()
        if code is None:
            return "still runs"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def kill(self) -> None:
        """Ends it, stopped or not, and frees everything; a second call does nothing."""
        if self.is_gone:
            return
        self.is_gone = True
        self._process.kill()
        with suppress(TimeoutExpired):
            self._process.wait(REAP_SECONDS)
        self.link.close()
