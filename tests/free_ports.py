"""Ports for servers that tests start: no test gets one that another was given, in any process."""

import random
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
"""Below those that Linux hands out by itself (32768 on), to who binds port 0 or connects."""


def free_port() -> int:
    """A port of this machine that nobody listens at, and nobody but the caller will.

    It stays the caller's until this process ends, so a server may be killed and started again.

    Raises:
        AssertionError: if all are taken.
    """
    for port in _in_random_order():
        if _claimed(port) and _unused(port):
            return port
    raise AssertionError(f"no free port from {FIRST} to {LAST}")


def _in_random_order() -> Iterator[int]:
    ports = list(range(FIRST, LAST))
    random.SystemRandom().shuffle(ports)
    yield from ports


def _claimed(port: int) -> bool:
    """Takes a name that one process of the machine can hold; free again when that ends."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0posestream test port {port}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # stays open, and is nobody's to close
    return True


def _unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
