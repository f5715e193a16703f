"""The API as one ASGI application: routes, and errors as problems."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from stream.api.body_limit import BodyLimit
from stream.api.front_desk import FrontDesk
from stream.api.guard import Guard
from stream.api.new_stream import NewStream
from stream.api.page_routes import page_routes
from stream.api.problem import FieldError, ProblemError, ProblemKind, problem_answer
from stream.api.stream_routes import stream_routes
from stream.api.system_routes import system_routes
from stream.errors import (
    ConfigError,
    PoseStreamError,
    SinkError,
    StreamExistsError,
    UnknownStreamError,
)
from stream.fleet.inbox import BusyError
from stream.site_file.fault_words import Details, fault_in_words
from stream.site_file.read_site import SiteError, path_text

log = logging.getLogger(__name__)

ABOUT = """Streams of the daemon: look at them, add, remove, pause and resume them.

Every error is a `application/problem+json` that tells what happened, which fields are wrong and
what to do."""
_KINDS: dict[type[PoseStreamError], ProblemKind] = {
    UnknownStreamError: ProblemKind.UNKNOWN_STREAM,
    StreamExistsError: ProblemKind.STREAM_EXISTS,
    ConfigError: ProblemKind.WRONG_SITE_FILE,
    BusyError: ProblemKind.BUSY,
    SinkError: ProblemKind.BUSY,
}
_BY_STATUS = {kind.value.status: kind for kind in reversed(ProblemKind)} | {
    404: ProblemKind.UNKNOWN_PATH,
    400: ProblemKind.UNREADABLE,
}


def make_app(desk: FrontDesk, token: str | None, hosts: frozenset[str]) -> ASGIApp:
    """The application.

    Args:
        desk: what it knows of the daemon.
        token: what requests must carry; None lets this machine's own programs ask without one.
        hosts: names under which it may be asked without a token.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with desk.watching():
            yield

    app = FastAPI(
        title="posestream",
        version=desk.version,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # these pages would ask other hosts for their parts
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(stream_routes(desk))
    app.include_router(system_routes(desk, needs_token=token is not None))
    app.include_router(page_routes())
    _tell_problems(app)
    return Guard(BodyLimit(app), token, hosts)


def _tell_problems(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return problem_answer(error.kind, str(error), error.errors)

    @app.exception_handler(RequestValidationError)
    async def wrong_value(_request: Request, error: RequestValidationError) -> Response:
        errors = [_field_error(details) for details in error.errors()]
        detail = "; ".join(f"{one.field}: {one.problem}" for one in errors)
        return problem_answer(ProblemKind.WRONG_VALUE, detail, errors)

    @app.exception_handler(PoseStreamError)
    async def ours(_request: Request, error: PoseStreamError) -> Response:
        return _our_problem(error)

    @app.exception_handler(HTTPException)
    async def starlettes(_request: Request, error: HTTPException) -> Response:
        kind = _BY_STATUS.get(error.status_code, ProblemKind.UNREADABLE)
        return problem_answer(kind, str(error.detail), headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        fields = {"path": request.url.path, "kind": type(error).__name__}
        log.error("request_failed", extra=fields, exc_info=error)
        return problem_answer(ProblemKind.FAILED, "an error that nobody foresaw")


def _our_problem(error: PoseStreamError) -> Response:
    kinds = (kind for family, kind in _KINDS.items() if isinstance(error, family))
    kind = next(kinds, ProblemKind.FAILED)
    errors = []
    if isinstance(error, SiteError):
        errors = [
            FieldError(field=fault.path or "file", problem=f"line {fault.line}: {fault.text}")
            for fault in error.faults
        ]
    headers = {"retry-after": "1"} if kind is ProblemKind.BUSY else {}
    return problem_answer(kind, str(error), errors, headers)


def _field_error(details: Details) -> FieldError:
    place = tuple(details["loc"])
    path = place[1:] if place[0] == "body" else place
    if details["type"] == "json_invalid":
        return FieldError(field="body", problem="no JSON; send it as application/json")
    if not path:
        return FieldError(field="body", problem=_body_words(details))
    words = fault_in_words(NewStream, {**details, "loc": path}, path)
    return FieldError(field=path_text(path), problem=words)


def _body_words(details: Details) -> str:
    if details["type"] == "missing":
        return "missing; send a JSON object"
    return "expected a JSON object, sent as application/json"
