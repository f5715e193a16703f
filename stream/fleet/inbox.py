"""How other threads have the supervisor's thread do something for them, and wait for it."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from stream.errors import PoseStreamError

Answer = TypeVar("Answer")
CALL_SECONDS = 10.0
"""The supervisor does nothing that takes so long."""


class BusyError(PoseStreamError, TimeoutError):
    """The supervisor does not answer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    function: Callable[[], Any]
    reply: "SimpleQueue[_Call]" = field(default_factory=SimpleQueue)
    result: list[Any] = field(default_factory=list)
    error: list[BaseException] = field(default_factory=list)


class Inbox:
    """Calls from any thread, done by the one that `serve`s."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._owner: int | None = None
        self._is_closed = False

    def fileno(self) -> int:
        """Readable when somebody calls."""
        return self._wake

    def own(self) -> None:
        """From now on this thread serves; before, every caller does it for itself."""
        self._owner = threading.get_ident()

    def disown(self) -> None:
        """Nobody serves any more; who still waits is served now."""
        self.serve()
        self._owner = None

    def call(self, function: Callable[[], Answer]) -> Answer:
        """What the function gives, called by the serving thread.

        Raises:
            BusyError: if that thread does not get to it, or has ended.
        """
        if self._is_closed:
            raise BusyError("the daemon has ended; ask the next one")
        if self._owner in (None, threading.get_ident()):
            return function()
        call = _Call(function)
        self._calls.put(call)
        os.eventfd_write(self._wake, 1)
        try:
            done = call.reply.get(timeout=CALL_SECONDS)
        except Empty:
            raise BusyError(
                f"the daemon did not answer within {CALL_SECONDS:g} seconds; try again"
            ) from None
        if done.error:
            raise done.error[0]
        answer: Answer = done.result[0]
        return answer

    def serve(self) -> None:
        """Does what was asked for."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            try:
                call.result.append(call.function())
            except Exception as error:  # noqa: BLE001 - the caller's own thread raises it
                call.error.append(error)
            call.reply.put(call)

    def close(self) -> None:
        """Frees the descriptor; nobody is served any more."""
        self._is_closed = True
        os.close(self._wake)
