"""Routes of streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from stream.api.answers import (
    HistoryAnswer,
    LedgerAnswer,
    StreamAnswer,
    StreamList,
    history_answer,
    ledger_answer,
)
from stream.api.front_desk import FrontDesk
from stream.api.new_stream import NewStream
from stream.api.preview import PreviewSize
from stream.api.problem import Problem, ProblemError, ProblemKind
from stream.errors import UnknownStreamError
from stream.fleet.inbox import BusyError

PREVIEW_SECONDS = 0.25
"""Between two pictures of a preview."""
MAX_PREVIEWS = 32
BOUNDARY = b"picture"
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}},
    204: {"description": "No picture yet"},
}
_PROBLEM: dict[str, Any] = {"model": Problem}


def stream_routes(desk: FrontDesk) -> APIRouter:
    """All of them."""
    router = APIRouter(tags=["streams"], responses={401: _PROBLEM, 404: _PROBLEM, 503: _PROBLEM})

    @router.get("/streams")
    async def list_streams() -> StreamList:
        """All streams."""
        return await desk.streams()

    @router.get("/streams/{name}")
    async def describe_stream(name: str) -> StreamAnswer:
        """A stream."""
        return await desk.stream(name)

    @router.get("/streams/{name}/ledger")
    async def read_ledger(name: str) -> LedgerAnswer:
        """What became of the frames of a stream; balanced at every moment."""
        return ledger_answer(await asyncio.to_thread(desk.fleet.ledger, name))

    @router.get("/streams/{name}/history")
    async def read_history(name: str) -> HistoryAnswer:
        """The last ten minutes of a stream."""
        await asyncio.to_thread(desk.fleet.ledger, name)  # says so if there is no such stream
        return history_answer(desk.chronicle.moments(name), desk.chronicle.events(name))

    _add_commands(router, desk)
    _add_pictures(router, desk)
    return router


def _add_commands(router: APIRouter, desk: FrontDesk) -> None:
    @router.post("/streams", status_code=201, responses={409: _PROBLEM, 413: _PROBLEM})
    async def add_stream(wish: NewStream, response: Response) -> StreamAnswer:
        """Adds a stream; `survives_restart` tells whether api.added_streams keeps it."""
        response.headers["location"] = f"/streams/{wish.name}"
        return await desk.add(wish)

    @router.delete("/streams/{name}", status_code=204)
    async def remove_stream(name: str) -> None:
        """Ends a stream. If the site file names it, the next reload brings it back."""
        await desk.remove(name)

    @router.post("/streams/{name}/pause")
    async def pause_stream(name: str) -> StreamAnswer:
        """Reads the stream no more, until it is resumed or a reload finds it not paused."""
        return await desk.pause(name, is_paused=True)

    @router.post("/streams/{name}/resume")
    async def resume_stream(name: str) -> StreamAnswer:
        """Reads the stream again."""
        return await desk.pause(name, is_paused=False)


def _add_pictures(router: APIRouter, desk: FrontDesk) -> None:
    viewers = asyncio.BoundedSemaphore(MAX_PREVIEWS)
    Size = Annotated[PreviewSize, Query()]  # noqa: N806 - a type

    @router.get("/streams/{name}/snapshot.jpg", responses=_PICTURE, response_class=Response)
    async def read_snapshot(
        name: str,
        size: Size = PreviewSize.LARGE,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The newest picture whose people are known, with their skeletons."""
        still = await desk.previews.still(name, size)
        if still is None:
            return Response(status_code=204)
        headers = {"etag": still.tag, "cache-control": "no-cache"}
        if if_none_match == still.tag:
            return Response(status_code=304, headers=headers)
        return Response(still.jpeg, headers=headers, media_type="image/jpeg")

    @router.get("/streams/{name}/preview.mjpeg", response_class=StreamingResponse)
    async def watch_preview(name: str, size: Size = PreviewSize.MEDIUM) -> StreamingResponse:
        """Pictures with skeletons, up to four a second, one after another (MJPEG)."""
        if viewers.locked():
            raise ProblemError(ProblemKind.TOO_MANY_VIEWERS, f"{MAX_PREVIEWS} previews run already")
        await desk.previews.still(name, size)  # says so if there is no such stream
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}"

        async def pictures() -> AsyncIterator[bytes]:
            async with viewers:
                async for part in _parts(desk, name, size):
                    yield part

        return StreamingResponse(pictures(), media_type=kind)


async def _parts(desk: FrontDesk, name: str, size: PreviewSize) -> AsyncIterator[bytes]:
    """Ends with the stream or with the daemon."""
    last = ""
    yield b"--" + BOUNDARY + b"\r\n"
    while not desk.broadcast.is_over:
        try:
            still = await desk.previews.still(name, size)
        except (UnknownStreamError, BusyError):
            return
        if still is not None and still.tag != last:
            last = still.tag
            length = str(len(still.jpeg)).encode()
            head = b"Content-Type: image/jpeg\r\nContent-Length: " + length + b"\r\n\r\n"
            # The boundary at once: browsers show a picture when they see where it ends.
            yield head + still.jpeg + b"\r\n--" + BOUNDARY + b"\r\n"
        await asyncio.sleep(PREVIEW_SECONDS)
