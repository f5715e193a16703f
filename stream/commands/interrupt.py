"""Ctrl-C and SIGTERM end a run in good order; a second one ends the process at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the pipeline takes long to import, and Ctrl-C may come meanwhile
    from stream.pipeline import StopRequest

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STDERR = 2
NOTICE = "\nstopping in good order; Ctrl-C again ends at once\n"


@contextmanager
def stop_on_signals(stop: "StopRequest", notice: str = "") -> Iterator[None]:
    """Turns the first signal within the block into a stop request, and says so if told how."""

    def first(_number: int, _frame: FrameType | None) -> None:
        stop.request()
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        # Not print: the signal may have come in the middle of one. And nobody may be listening.
        with suppress(OSError):
            os.write(STDERR, notice.encode())

    before = {number: signal.signal(number, first) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ctrl_c_ends_at_once() -> Iterator[None]:
    """Within the block Ctrl-C ends the process, until `stop_on_signals` takes over.

    For the time before there is anything to end in good order. Python would raise
    KeyboardInterrupt, which a library may swallow while it is loaded: the run would go on.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # a job in the background ignores it
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
