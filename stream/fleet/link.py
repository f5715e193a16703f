"""A line to another process of the daemon: messages, arrays and file descriptors, in order."""

import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stream.errors import PoseStreamError
from stream.fleet.messages import Message, from_bytes, to_bytes

HEAD = struct.Struct("<III")
"""Bytes of the message, bytes after it, descriptors."""
MAX_BYTES = 16 << 20
"""Of one parcel; more is no message of ours."""
MAX_WAITING_BYTES = 8 << 20
"""What may wait for a process that does not listen."""
CHUNK = 1 << 18
MAX_FDS = 16


class LinkError(PoseStreamError, OSError):
    """The other side is gone, does not listen or talks nonsense."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message with what came along."""

    message: Message
    tail: bytes = b""
    fds: tuple[int, ...] = ()
    """The receiver closes them."""

    @contextmanager
    def owned_fd(self) -> Iterator[int]:
        """The only descriptor, closed after the block.

        Raises:
            LinkError: if there is not just one.
        """
        try:
            if len(self.fds) != 1:
                raise LinkError(f"{self.message.kind}: expected one descriptor, got {self.fds}")
            yield self.fds[0]
        finally:
            _close_all(self.fds)


@dataclass(slots=True)
class _Outgoing:
    content: memoryview
    fds: tuple[int, ...]
    """Copies, closed when they are sent."""


class Link:
    """One end. Never waits."""

    def __init__(self, end: socket.socket) -> None:
        """Takes over a connected Unix socket."""
        end.settimeout(0)
        self._socket = end
        self._incoming = bytearray()
        self._fds: deque[int] = deque()
        self._outgoing: deque[_Outgoing] = deque()
        self._waiting_bytes = 0

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    @property
    def has_more(self) -> bool:
        """Whether something waits to be sent: call `flush` when the socket takes it."""
        return bool(self._outgoing)

    def send(self, message: Message, tail: bytes = b"", fds: tuple[int, ...] = ()) -> None:
        """Sends now what the socket takes, and the rest by `flush`.

        Raises:
            LinkError: if the other side is gone, or does not listen.
        """
        body = to_bytes(message)
        content = HEAD.pack(len(body), len(tail), len(fds)) + body + tail
        self._waiting_bytes += len(content)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            raise LinkError(f"a process does not listen: {self._waiting_bytes} bytes wait for it")
        copies = tuple(os.dup(fd) for fd in fds)
        self._outgoing.append(_Outgoing(memoryview(content), copies))
        self.flush()

    def flush(self) -> None:
        """Sends what waits, as far as the socket takes it.

        Raises:
            LinkError: if the other side is gone.
        """
        while self._outgoing:
            first = self._outgoing[0]
            try:
                sent = socket.send_fds(self._socket, [first.content], first.fds)
            except BlockingIOError:
                return
            except OSError as error:
                raise LinkError(f"the other process is gone: {error.strerror}") from error
            _close_all(first.fds)
            self._waiting_bytes -= sent
            first.content, first.fds = first.content[sent:], ()
            if not first.content:
                self._outgoing.popleft()

    def receive(self) -> list[Parcel]:
        """What came, oldest first; empty if nothing did.

        Raises:
            LinkError: if the other side is gone, or talks nonsense. What came before is lost then.
        """
        while True:
            try:
                content, fds, _, _ = socket.recv_fds(self._socket, CHUNK, MAX_FDS)
            except BlockingIOError:
                return self._parcels()
            except OSError as error:
                raise LinkError(f"the other process is gone: {error.strerror}") from error
            self._fds.extend(fds)
            self._incoming += content
            if not content:
                if self._incoming:
                    return self._last_parcels()
                raise LinkError("the other process closed the line")

    def close(self) -> None:
        """Ends the line; a second call does nothing."""
        for waiting in self._outgoing:
            _close_all(waiting.fds)
        self._outgoing.clear()
        _close_all(tuple(self._fds))
        self._fds.clear()
        self._socket.close()

    def _last_parcels(self) -> list[Parcel]:
        """What came before the end; the end itself is found again at the next call."""
        parcels = self._parcels()
        self._incoming.clear()
        return parcels

    def _parcels(self) -> list[Parcel]:
        found, start = [], 0
        while len(self._incoming) - start >= HEAD.size:
            body, tail, fds = HEAD.unpack_from(self._incoming, start)
            if body + tail > MAX_BYTES:
                raise LinkError(f"a process sends {body + tail} bytes at once: no message of ours")
            begin, end = start + HEAD.size, start + HEAD.size + body + tail
            if len(self._incoming) < end or len(self._fds) < fds:
                break
            found.append(self._parcel(bytes(self._incoming[begin:end]), body, fds))
            start = end
        del self._incoming[:start]
        return found

    def _parcel(self, content: bytes, body: int, fds: int) -> Parcel:
        try:
            message = from_bytes(content[:body])
        except ValueError as error:
            # Not the error itself: it repeats the message, which may hold an address.
            raise LinkError(f"a process sends no message ({type(error).__name__})") from None
        return Parcel(message, content[body:], tuple(self._fds.popleft() for _ in range(fds)))


def new_line() -> tuple[Link, socket.socket]:
    """A link, and the other end of it for the process that is about to start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Link(ours), theirs


def link_of(fd: int) -> Link:
    """The link of a process that got its end of the line at its start."""
    return Link(socket.socket(fileno=fd))


def _close_all(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
