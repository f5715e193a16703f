"""Errors as RFC 9457 has them: what is wrong, where, and what to do about it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from stream.errors import PoseStreamError
from stream.redaction import redacted

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    title: str
    remedy: str


class ProblemKind(Enum):
    """Every error that the API answers with; the name is the last word of its `type`."""

    WRONG_VALUE = _Kind(422, "A value is wrong", "Correct the fields named in errors.")
    WRONG_SITE_FILE = _Kind(
        422, "The site file is wrong", "Correct it; nothing was changed. `posestream check` helps."
    )
    UNREADABLE = _Kind(400, "The request cannot be read", "Send JSON as application/json.")
    NO_TOKEN = _Kind(
        401, "The token is missing or wrong", "Send `Authorization: Bearer TOKEN`, see api.token."
    )
    FOREIGN_PAGE = _Kind(
        403,
        "Another site's page asks",
        "Open the page at the address the daemon tells, or give the site file an api.token.",
    )
    UNKNOWN_STREAM = _Kind(404, "There is no such stream", "GET /streams tells which there are.")
    UNKNOWN_PATH = _Kind(404, "There is nothing here", "GET /openapi.json tells what there is.")
    WRONG_METHOD = _Kind(405, "Not this method", "Use one of those in the header Allow.")
    TOO_SLOW = _Kind(408, "The body did not come in time", "Send it at once.")
    STREAM_EXISTS = _Kind(
        409, "There is a stream of that name", "Take another name, or remove that stream first."
    )
    TOO_MANY_STREAMS = _Kind(
        409, "There are as many streams as allowed", "Remove one, or raise limits.streams."
    )
    TOO_LARGE = _Kind(413, "The body is too large", "Send a smaller one.")
    FAILED = _Kind(500, "The daemon failed to answer", "Tell us, with the daemon's log.")
    BUSY = _Kind(503, "The daemon does not answer now", "Try again in a second.")
    TOO_MANY_VIEWERS = _Kind(503, "Too many look already", "Close other pages, or try later.")


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    """As in `login.user`; `body` for the whole."""
    problem: str
    """What was got and what is expected."""


class Problem(BaseModel):
    """Body of every error."""

    type: str
    title: str
    status: int
    detail: str
    """What happened to what."""
    remedy: str
    """What to do."""
    errors: list[FieldError] = []
    """Of the request's fields, or of the site file's."""


class ProblemError(PoseStreamError):
    """Ends a request with a problem."""

    def __init__(self, kind: ProblemKind, detail: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(detail)
        self.kind, self.errors = kind, tuple(errors)


def problem_answer(
    kind: ProblemKind,
    detail: str,
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response; without anybody's login, whatever stands in the detail."""
    told = kind.value
    body = Problem(
        type=f"urn:posestream:problem:{kind.name.lower()}",
        title=told.title,
        status=told.status,
        detail=redacted(detail),
        remedy=told.remedy,
        errors=[FieldError(field=e.field, problem=redacted(e.problem)) for e in errors],
    )
    return _AsciiAnswer(body.model_dump(), told.status, dict(headers or {}), MEDIA_TYPE)


class _AsciiAnswer(JSONResponse):
    """Half of a character may come back in a message; UTF-8 has no form for it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode("ascii")
