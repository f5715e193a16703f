"""Server-sent events: the same bytes to everybody who listens. Event loop's thread only."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from stream.api.problem import ProblemError, ProblemKind

MAX_LISTENERS = 64
MAX_WAITING = 32
"""Messages that may wait for a slow listener; then it is let go, and may come again."""
RETRY = b"retry: 1000\n\n"


class Broadcast:
    """Who listens, and what they are told."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self.is_over = False

    @property
    def has_listeners(self) -> bool:
        """Whether telling is worth the while."""
        return bool(self._listeners)

    def tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Tells everybody."""
        message = sse_message(event, data)
        for queue in tuple(self._listeners):
            if queue.qsize() < MAX_WAITING:
                queue.put_nowait(message)
            else:
                self._let_go(queue)

    def listen(self, first: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[bytes]:
        """All messages from now on, until it is over; first those, by event.

        Raises:
            ProblemError: if too many listen.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise ProblemError(ProblemKind.TOO_MANY_VIEWERS, f"{MAX_LISTENERS} pages listen")
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listeners.add(queue)
        queue.put_nowait(RETRY + b"".join(sse_message(*item) for item in first.items()))
        if self.is_over:
            self._let_go(queue)
        return self._messages(queue)

    def end(self) -> None:
        """Lets everybody go."""
        self.is_over = True
        for queue in tuple(self._listeners):
            self._let_go(queue)

    async def _messages(self, queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._listeners.discard(queue)

    def _let_go(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(queue)
        queue.put_nowait(None)


def sse_message(event: str, data: Mapping[str, Any]) -> bytes:
    """One event as it goes over the wire; JSON has no line breaks of its own."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")
