from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.digest import DigestGuard, Login
from stream.camera.faults import HalfOpen, WrongAuth
from stream.camera.mount import Feed, Mount
from stream.camera.rtp_packets import RtpIdentity
from stream.camera.rtsp_message import Malformed, Request
from stream.camera.session import (
    Action,
    Answer,
    Outside,
    RtspSession,
    SessionNumbers,
    SessionState,
)
from stream.camera.settings import CameraSettings
from stream.camera.transport_header import Offered, TcpTransport, UdpTransport
from tests.camera_clips import made_up_clip

URL = "rtsp://h:554/cam0"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
UDP = "RTP/AVP;unicast;client_port=5000-5001"
OWN = {"session": "abc"}
DEFAULTS = CameraSettings()
FEEDS = {
    "cam0": Mount("cam0", made_up_clip(), (), {}).feed(0, 0),
    "cam1": Mount("cam1", made_up_clip(), (), {}).feed(0, 0),
    "silent": Mount("silent", made_up_clip(), (HalfOpen(),), {}).feed(0, 0),
    "locked": Mount("locked", made_up_clip(), (WrongAuth(),), {}).feed(0, 0),
}


def no_ports() -> tuple[int, int]:
    raise OSError("no two neighbouring ports")


def some_ports() -> tuple[int, int]:
    return 6000, 6001


def new_session(
    login: Login | None = None,
    open_ports: Callable[[], tuple[int, int]] = some_ports,
    settings: CameraSettings = DEFAULTS,
) -> RtspSession:
    outside = Outside(FEEDS.get, open_ports)
    numbers = SessionNumbers("abc", RtpIdentity(0xFEED, 17, 4711))
    return RtspSession(outside, DigestGuard(login, "n1"), numbers, settings, now=100.0)


def ask(rtsp: RtspSession, method: str, uri: str = URL, **headers: str) -> Answer:
    told = {"cseq": "1", **headers}
    return rtsp.answer(Request(method, uri, "RTSP/1.0", told), now=100.0)


def status(answer: Answer) -> int:
    assert answer.response is not None
    return answer.response.status


def state(session: RtspSession) -> SessionState:
    """A fresh look: a type checker believes that an attribute stays as it was."""
    return session.state


def header(answer: Answer, name: str) -> str:
    assert answer.response is not None
    return dict(answer.response.headers)[name]


def playing(transport: str = TCP) -> RtspSession:
    session = new_session()
    assert status(ask(session, "SETUP", f"{URL}/track0", transport=transport)) == 200
    assert ask(session, "PLAY", **OWN).action is Action.PLAY
    return session


def test_a_client_gets_from_description_to_pictures_and_away() -> None:
    session = new_session()

    assert "DESCRIBE" in header(ask(session, "OPTIONS"), "Public")
    described = ask(session, "DESCRIBE", f"{URL}?channel=1")
    assert header(described, "Content-Base") == f"{URL}/"
    assert described.response is not None
    assert "a=control:track0" in described.response.body

    answer = ask(session, "SETUP", f"{URL}/track0", transport=TCP)
    assert header(answer, "Transport").startswith(TCP)
    assert header(answer, "Session") == "abc;timeout=60"
    assert state(session) is SessionState.READY

    answer = ask(session, "PLAY", f"{URL}/", **OWN)
    assert header(answer, "RTP-Info") == f"url={URL}/track0;seq=17;rtptime=4711"
    assert (answer.action, state(session)) == (Action.PLAY, SessionState.PLAYING)
    assert (session.feed, session.transport) == (FEEDS["cam0"], TcpTransport(0, 1))

    assert ask(session, "GET_PARAMETER", **OWN).action is Action.NONE
    assert ask(session, "TEARDOWN", **OWN).action is Action.STOP
    assert state(session) is SessionState.INIT


def test_udp_tells_the_ports_of_both_sides() -> None:
    answer = ask(session := new_session(), "SETUP", transport=UDP)
    assert "client_port=5000-5001;server_port=6000-6001" in header(answer, "Transport")
    assert session.transport == UdpTransport(5000, 5001)


def test_a_client_may_set_up_another_way_before_it_plays() -> None:
    session = new_session()
    ask(session, "SETUP", transport=UDP)
    assert status(ask(session, "SETUP", transport=TCP)) == 200
    assert session.transport == TcpTransport(0, 1)


@pytest.mark.parametrize(
    ("method", "uri", "headers", "expected"),
    [
        ("DESCRIBE", "rtsp://h/nothing", {}, 404),
        ("DESCRIBE", "rtsp://h/", {}, 404),
        ("DESCRIBE", f"{URL}/track1", {}, 404),
        ("DESCRIBE", "rtsp://[h/cam0", {}, 400),
        ("DESCRIBE", URL, {"cseq": "x"}, 400),
        ("DESCRIBE", URL, {"cseq": "²"}, 400),
        ("DESCRIBE", URL, {"require": "implicit-play"}, 551),
        ("RECORD", URL, {}, 501),
        ("SETUP", URL, {}, 461),
        ("SETUP", URL, {"transport": "RTP/AVP;multicast"}, 461),
        ("SETUP", URL, {"transport": TCP, "session": "other"}, 454),
        ("PLAY", URL, OWN, 454),
        ("TEARDOWN", URL, OWN, 454),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    method: str, uri: str, headers: dict[str, str], expected: int
) -> None:
    answer = ask(session := new_session(), method, uri, **headers)
    assert (status(answer), answer.action) == (expected, Action.NONE)
    assert session.state is SessionState.INIT


def test_another_version_is_refused() -> None:
    request = Request("DESCRIBE", URL, "RTSP/2.0", {"cseq": "1"})
    assert status(new_session().answer(request, 0.0)) == 505


def test_a_session_is_for_one_mount_and_knows_its_name() -> None:
    session = new_session()
    ask(session, "SETUP", transport=TCP)
    assert status(ask(session, "PLAY", "rtsp://h/cam1", **OWN)) == 455
    assert status(ask(session, "PLAY", URL)) == 454
    assert status(ask(session, "PLAY", URL, session="other")) == 454


def test_while_it_plays_nothing_is_set_up_and_a_second_play_starts_nothing() -> None:
    session = playing()
    assert status(ask(session, "SETUP", transport=UDP)) == 455
    again = ask(session, "PLAY", **OWN)
    assert (status(again), again.action) == (200, Action.NONE)


def test_without_free_ports_udp_is_not_available() -> None:
    session = new_session(open_ports=no_ports)
    assert status(ask(session, "SETUP", transport=UDP)) == 503
    assert status(ask(session, "SETUP", transport=TCP)) == 200


@pytest.mark.parametrize(
    ("offered", "met", "refused"), [(Offered.TCP, TCP, UDP), (Offered.UDP, UDP, TCP)]
)
def test_a_camera_may_have_one_way_only(offered: Offered, met: str, refused: str) -> None:
    session = new_session(settings=CameraSettings(offered=offered))
    assert status(ask(session, "SETUP", transport=refused)) == 461
    assert status(ask(session, "SETUP", transport=f"{refused},{met}")) == 200


def test_without_a_login_nobody_learns_what_is_there() -> None:
    session = new_session(Login("ada", "x"))
    for uri in (URL, "rtsp://h/nothing"):
        answer = ask(session, "DESCRIBE", uri)
        assert status(answer) == 401
        assert 'nonce="n1"' in header(answer, "WWW-Authenticate")
    assert status(ask(session, "OPTIONS")) == 200


def test_a_locked_camera_sends_everybody_away() -> None:
    assert status(ask(new_session(), "DESCRIBE", "rtsp://h/locked")) == 401
    assert status(ask(new_session(), "DESCRIBE", URL)) == 200


def test_a_half_open_camera_says_nothing_and_waits_for_ever() -> None:
    session = new_session()
    for uri in ("rtsp://h/silent", URL):
        assert ask(session, "OPTIONS", uri) == Answer(None)
    assert session.deadline is None


def test_what_is_no_request_ends_the_connection() -> None:
    answer = new_session().answer(Malformed("no"), 0.0)
    assert (status(answer), answer.action) == (400, Action.CLOSE)


def test_every_sign_of_life_puts_the_end_off() -> None:
    session = new_session()
    assert session.deadline == 160.0
    session.heard(130.0)
    assert session.deadline == 190.0
    session.answer(Request("OPTIONS", "*", "RTSP/1.0", {"cseq": "1"}), 140.0)
    assert session.deadline == 200.0


METHODS = st.sampled_from(["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER"])
URIS = st.sampled_from(["*", URL, f"{URL}/track0", "rtsp://h/cam1", "rtsp://h/locked"]) | st.text()
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "session": st.sampled_from(["abc", "abc;timeout=60", "other"]),
        "transport": st.sampled_from([TCP, UDP]) | st.text(),
        "authorization": st.text(),
    },
)


@given(st.lists(st.tuples(METHODS, URIS, HEADERS), max_size=12))
def test_whatever_a_client_asks_it_gets_an_answer_and_plays_only_what_is_set_up(
    requests: list[tuple[str, str, dict[str, str]]],
) -> None:
    session = new_session()
    starts = 0
    for method, uri, headers in requests:
        before = session.state
        answer = ask(session, method, uri, **headers)
        assert 200 <= status(answer) <= 551
        if answer.action is Action.PLAY:
            starts += 1
            assert before is SessionState.READY
        is_set_up = isinstance(session.feed, Feed) and session.transport is not None
        assert is_set_up is (session.state is not SessionState.INIT)
    assert (session.state is SessionState.PLAYING) <= (starts > 0)
