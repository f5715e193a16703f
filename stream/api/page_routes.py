"""The live page: files of this package, read once."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Response

from stream.api.problem import ProblemError, ProblemKind

FOLDER = "page"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    content: bytes
    kind: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """All of them, by name."""
    found = {}
    for file in files("stream.api").joinpath(FOLDER).iterdir():
        kind = KINDS.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            content = file.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found[file.name] = PageFile(content, kind, tag)
    return found


def page_routes() -> APIRouter:
    """The page at `/`, its parts at `/page/`."""
    router = APIRouter(include_in_schema=False)
    pages = page_files()

    @router.get("/")
    async def index(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        return _answer(pages[INDEX], if_none_match)

    @router.get("/page/{name}")
    async def part(name: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        if name not in pages:
            raise ProblemError(ProblemKind.UNKNOWN_PATH, "the page has no such part")
        return _answer(pages[name], if_none_match)

    return router


def _answer(page: PageFile, known: str | None) -> Response:
    # Asked for every time: after an update, parts of two versions must not meet.
    headers = {"etag": page.tag, "cache-control": "no-cache"}
    if known == page.tag:
        return Response(status_code=304, headers=headers)
    return Response(page.content, headers=headers, media_type=page.kind)
