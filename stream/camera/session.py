"""The RTSP side of one connection as a state machine (RFC 2326, appendix A.2).

::

    INIT --SETUP--> READY --PLAY--> PLAYING
      ^---------------+----TEARDOWN----+

It opens nothing and reads no clock: what it needs of the outside it is given.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

from stream.camera.digest import DigestGuard
from stream.camera.mount import Feed
from stream.camera.rtp_packets import RtpIdentity
from stream.camera.rtsp_message import VERSION, Malformed, Request, Response
from stream.camera.sdp import TRACK, session_description
from stream.camera.settings import CameraSettings
from stream.camera.transport_header import Transport, UdpTransport, choose_transport

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER")
PUBLIC = ("Public", ", ".join(METHODS))


class SessionState(Enum):
    """What the client has reached."""

    INIT = "init"
    READY = "ready"
    PLAYING = "playing"


class Action(Enum):
    """What is to be done after a response was sent."""

    NONE = "none"
    PLAY = "play"
    STOP = "stop"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Answer:
    """What follows from a request."""

    response: Response | None
    """None: the camera is half-open and says nothing."""
    action: Action = Action.NONE


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """Random ones, drawn outside."""

    session: str
    rtp: RtpIdentity


@dataclass(frozen=True, slots=True)
class Outside:
    """What a session asks of the server."""

    find_feed: Callable[[str], Feed | None]
    """By name of the mount; the same feed each time in a connection."""
    open_ports: Callable[[], tuple[int, int]]
    """Ports of this machine for RTP and RTCP over UDP; OSError if there are none."""


class RtspSession:
    """Answers the requests of one connection."""

    def __init__(
        self,
        outside: Outside,
        guard: DigestGuard,
        numbers: SessionNumbers,
        settings: CameraSettings,
        now: float,
    ) -> None:
        self._outside = outside
        self._guard = guard
        self._numbers = numbers
        self._settings = settings
        self._heard = now
        self._is_silent = False
        self._answers = {
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._get_parameter,
        }
        self.state = SessionState.INIT
        self.feed: Feed | None = None
        """What was set up."""
        self.transport: Transport | None = None

    def heard(self, now: float) -> None:
        """The client gave a sign of life: a request, a receiver report."""
        self._heard = now

    @property
    def deadline(self) -> float | None:
        """When the client counts as gone unless it is heard; None if it is left waiting."""
        return None if self._is_silent else self._heard + self._settings.session_timeout_seconds

    def answer(self, request: Request | Malformed, now: float) -> Answer:
        """What the client is told, and what is to be done."""
        self.heard(now)
        if self._is_silent:
            return Answer(None)
        if isinstance(request, Malformed):
            return Answer(Response(400), Action.CLOSE)
        refusal = _refusal(request)
        if refusal is not None:
            return Answer(refusal)
        path = _path(request.uri)
        if path is None:
            return Answer(Response(400))
        return self._answer_about(path, request)

    def _answer_about(self, path: list[str], request: Request) -> Answer:
        feed = self._outside.find_feed(path[0]) if path else None
        if feed is not None and feed.is_silent:
            self._is_silent = True
            return Answer(None)
        if request.method == "OPTIONS":
            return Answer(Response(200, (PUBLIC,)))
        if not self._admits(request, feed):
            return Answer(Response(401, (("WWW-Authenticate", self._guard.challenge),)))
        if feed is None or path[1:] not in ([], [TRACK]):
            return Answer(Response(404))
        if request.headers.get("session", self._id).partition(";")[0].strip() != self._id:
            return Answer(Response(454))
        return self._answers[request.method](request, feed)

    @property
    def _id(self) -> str:
        return self._numbers.session

    @property
    def _session_header(self) -> tuple[str, str]:
        return "Session", f"{self._id};timeout={self._settings.session_timeout_seconds:.0f}"

    def _admits(self, request: Request, feed: Feed | None) -> bool:
        if feed is not None and feed.refuses_logins:
            return False
        told = request.headers.get("authorization", "")
        return self._guard.admits(request.method, request.uri, told)

    def _describe(self, request: Request, feed: Feed) -> Answer:
        headers = (
            ("Content-Base", f"{_without_query(request.uri)}/"),
            ("Content-Type", "application/sdp"),
        )
        return Answer(Response(200, headers, session_description(feed.clip)))

    def _setup(self, request: Request, feed: Feed) -> Answer:
        if self.state is SessionState.PLAYING:
            return Answer(Response(455))
        transport = choose_transport(request.headers.get("transport", ""), self._settings.offered)
        if transport is None:
            return Answer(Response(461))
        ssrc = self._numbers.rtp.ssrc
        if isinstance(transport, UdpTransport):
            try:
                header = transport.header(ssrc, self._outside.open_ports())
            except OSError:
                return Answer(Response(503))
        else:
            header = transport.header(ssrc)
        self.feed, self.transport, self.state = feed, transport, SessionState.READY
        return Answer(Response(200, (("Transport", header), self._session_header)))

    def _play(self, request: Request, feed: Feed) -> Answer:
        if self.state is SessionState.INIT or "session" not in request.headers:
            return Answer(Response(454))
        if self.state is SessionState.PLAYING:
            return Answer(Response(200, (self._session_header,)))
        if feed is not self.feed:
            return Answer(Response(455))
        self.state = SessionState.PLAYING
        rtp = self._numbers.rtp
        url = f"{_without_query(request.uri).removesuffix('/' + TRACK)}/{TRACK}"
        first = f"url={url};seq={rtp.first_sequence};rtptime={rtp.first_timestamp}"
        headers = (self._session_header, ("Range", "npt=0-"), ("RTP-Info", first))
        return Answer(Response(200, headers), Action.PLAY)

    def _teardown(self, request: Request, _feed: Feed) -> Answer:
        if self.state is SessionState.INIT or "session" not in request.headers:
            return Answer(Response(454))
        self.state, self.feed, self.transport = SessionState.INIT, None, None
        return Answer(Response(200), Action.STOP)

    def _get_parameter(self, _request: Request, _feed: Feed) -> Answer:
        """With no parameter asked for it is a sign of life (RFC 2326, 10.8)."""
        known = self.state is not SessionState.INIT
        return Answer(Response(200, (self._session_header,) if known else ()))


def _refusal(request: Request) -> Response | None:
    """For what is wrong whatever it is about."""
    if request.version != VERSION:
        return Response(505)
    if not re.fullmatch(r"[0-9]{1,10}", request.headers.get("cseq", "")):
        return Response(400)
    if "require" in request.headers:
        return Response(551, (("Unsupported", request.headers["require"]),))
    if request.method not in METHODS:
        return Response(501, (PUBLIC,))
    return None


def _path(uri: str) -> list[str] | None:
    """The names between the slashes; empty for the server itself, None if it makes no sense."""
    if uri == "*":
        return []
    try:
        return [name for name in urlsplit(uri).path.split("/") if name]
    except ValueError:
        return None


def _without_query(uri: str) -> str:
    return urlunsplit(urlsplit(uri)._replace(query="", fragment="")).rstrip("/")
