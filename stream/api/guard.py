"""Who may ask: bearer tokens, and no other site's pages."""

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.api.problem import ProblemKind, problem_answer
from stream.errors import ConfigError
from stream.site_file.site_model import LOOPBACKS

OPEN_PATHS = frozenset({"/", "/about", "/live", "/ready", "/startup", "/openapi.json"})
"""Tell nothing about streams: the page itself, and what watches the process."""
OPEN_FOLDER = "/page/"
LEAST_TOKEN = 16
_SCHEME = "bearer "
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}


def checked_token(token: str) -> str:
    """A token as it can be sent in a header.

    Raises:
        ConfigError: if it cannot, or could be guessed; the message never shows it.
    """
    if len(token) < LEAST_TOKEN or not all("!" <= sign <= "~" for sign in token):
        raise ConfigError(
            f"api.token: expected {LEAST_TOKEN} or more letters, digits and signs without spaces; "
            "make one with: openssl rand -hex 32"
        )
    return token


class Guard:
    """ASGI middleware: passes on what is allowed, and gives every answer its safe headers."""

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str]) -> None:
        """Without a token, only requests to one of the hosts are answered: names of this machine.

        A name that leads here is not enough: a page from elsewhere may have made it lead here.
        """
        self._app, self._hosts = app, hosts
        self._digest = None if token is None else _digest(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; anything else than HTTP is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send_safely)
            return
        kind, detail = refused
        headers = {"www-authenticate": "Bearer"} if kind is ProblemKind.NO_TOKEN else {}
        await problem_answer(kind, detail, headers=headers)(scope, receive, send_safely)

    def _refusal(self, scope: Scope) -> tuple[ProblemKind, str] | None:
        headers = Headers(scope=scope)
        if self._digest is None:
            if _host_name(headers.get("host", "")) not in self._hosts:
                return ProblemKind.FOREIGN_PAGE, "the request is for another host than this one"
            if scope["method"] not in _SAFE_METHODS and _is_foreign(headers):
                return ProblemKind.FOREIGN_PAGE, "the request comes from another site's page"
            return None
        if _is_open(scope["path"]) or self._has_token(headers.get("authorization", "")):
            return None
        return ProblemKind.NO_TOKEN, "the header Authorization holds no token, or a wrong one"

    def _has_token(self, authorization: str) -> bool:
        given = authorization[len(_SCHEME) :].strip()
        is_bearer = authorization[: len(_SCHEME)].lower() == _SCHEME
        # Digests are equally long, whatever was given: the time tells nothing.
        same = hmac.compare_digest(_digest(given), self._digest or b"")
        return is_bearer and same


def known_hosts(bind: str) -> frozenset[str]:
    """The names under which a daemon that listens at `bind` may be asked without a token."""
    return frozenset({*LOOPBACKS, bind})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return origin.partition("://")[2] != headers.get("host", "")
