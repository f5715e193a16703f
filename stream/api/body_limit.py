"""Reads the bodies of requests: short ones, and only for a while."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.api.problem import ProblemError, ProblemKind, problem_answer

MAX_BODY_BYTES = 64 * 1024
READ_BYTES = 1 << 20
"""So much of a body that is too large is read all the same: who is still sending when the
connection is closed never sees the answer."""
BODY_SECONDS = 10.0


class BodyLimit:
    """ASGI middleware: the application gets a whole body, or is not asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything else than HTTP is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(_whole_body(scope, receive), BODY_SECONDS)
        except TimeoutError:
            detail = f"the body did not come within {BODY_SECONDS:g} seconds"
            await _refuse(ProblemKind.TOO_SLOW, detail, scope, receive, send)
        except ProblemError as error:
            await _refuse(error.kind, str(error), scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replayed(body, receive), send)


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if told.isdigit() and int(told) > READ_BYTES:
        raise _too_large()
    size, body = 0, bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            body += part
        if size > READ_BYTES or not message.get("more_body", False):
            break
    if size > MAX_BODY_BYTES:
        raise _too_large()
    return bytes(body)


def _too_large() -> ProblemError:
    words = f"the body has more than {MAX_BODY_BYTES} bytes, the most allowed"
    return ProblemError(ProblemKind.TOO_LARGE, words)


async def _refuse(
    kind: ProblemKind, detail: str, scope: Scope, receive: Receive, send: Send
) -> None:
    # What of the body may still come will not be read: it must not be taken for a request.
    await problem_answer(kind, detail, headers={"connection": "close"})(scope, receive, send)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body first."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
