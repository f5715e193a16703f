"""How a process of the daemon begins: it is never to outlive its supervisor.

Three ways, of which each is enough: the kernel kills it when the supervisor dies
(`PR_SET_PDEATHSIG`), it ends when the line to the supervisor is closed, and it looks every now and
then who its parent is.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

from stream.errors import PoseStreamError
from stream.fleet.link import Link, link_of

PR_SET_PDEATHSIG = 1
SIGN_SECONDS = 0.25
"""How often a process shows that it is alive."""
_FOR_THE_SUPERVISOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class OrphanError(PoseStreamError, RuntimeError):
    """The supervisor is gone."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The supervisor, seen from a process that it started."""

    pid: int
    link: Link
    words: tuple[str, ...]
    """What it gave along besides."""

    def check(self) -> None:
        """Looks whether the supervisor is there.

        Raises:
            OrphanError: if it is not.
        """
        if os.getppid() != self.pid:
            raise OrphanError(f"supervisor {self.pid} is gone")


def begin(arguments: list[str]) -> Parent:
    """First thing in a process: ties its life to that of its supervisor.

    Args:
        arguments: as `stream.worker.start_process` gave them: the supervisor's id, the descriptor
            of the line, more words.

    Raises:
        OrphanError: if the supervisor is gone already.
    """
    pid, fd, *words = arguments
    _die_with_parent()
    for number in _FOR_THE_SUPERVISOR:
        # Service managers send these to every process at once; the supervisor decides.
        signal.signal(number, signal.SIG_IGN)
    parent = Parent(int(pid), link_of(int(fd)), tuple(words))
    # The supervisor may have died before the kernel was asked.
    parent.check()
    return parent


def end_at_once(code: int) -> None:
    """Ends the process though threads of it may hang in native code."""
    sys.stderr.flush()
    os._exit(code)


def _die_with_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
