import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.digest import REALM, DigestGuard, Login, digest_response, parse_login
from stream.errors import ConfigError

URI = "rtsp://h:554/cam0/"
LOGIN = Login("ada", "x y:/?#@%")


def authorization(login: Login, *, nonce: str = "n1", qop: str = "", uri: str = URI) -> str:
    told = {"username": login.user, "realm": REALM, "nonce": nonce, "uri": uri}
    told |= {"qop": qop, "nc": "00000001", "cnonce": "c"} if qop else {}
    told["response"] = digest_response(login, "DESCRIBE", told)
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in told.items()}
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in quoted.items())


def test_the_example_of_the_standard_gives_its_answer() -> None:
    """RFC 2617, 3.5."""
    told = {
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "0a4f113b",
    }
    login = Login("Mufasa", "Circle Of Life")
    assert digest_response(login, "GET", told) == "6629fae49393a05397450978507c4ef1"


@given(user=st.text(min_size=1), password=st.text(min_size=1), qop=st.sampled_from(["", "auth"]))
def test_who_knows_the_password_is_let_in(user: str, password: str, qop: str) -> None:
    login = Login(user, password)
    guard = DigestGuard(login, "n1")
    assert guard.admits("DESCRIBE", URI, authorization(login, qop=qop))


@pytest.mark.parametrize(
    "header",
    [
        authorization(Login("ada", "wrong")),
        authorization(Login("bob", LOGIN.password)),
        authorization(LOGIN, nonce="an older one"),
        authorization(LOGIN, uri="rtsp://h:554/cam1/"),
        authorization(LOGIN).replace('response="', 'response="0'),
        authorization(LOGIN).replace("Digest", "Basic"),
        "Digest",
        "",
    ],
)
def test_nobody_else_is_let_in(header: str) -> None:
    assert not DigestGuard(LOGIN, "n1").admits("DESCRIBE", URI, header)


def test_an_answer_for_one_method_is_none_for_another() -> None:
    assert not DigestGuard(LOGIN, "n1").admits("SETUP", URI, authorization(LOGIN))


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    assert not DigestGuard(LOGIN, "n1").admits("DESCRIBE", URI, f"Digest {header}")


def test_without_a_login_everybody_is_let_in() -> None:
    assert DigestGuard(None, "n1").admits("DESCRIBE", URI, "")


def test_the_password_may_hold_colons_and_is_not_shown() -> None:
    login = parse_login("ada:a:b")
    assert login == Login("ada", "a:b")
    assert "a:b" not in repr(login)


@pytest.mark.parametrize("text", ["", "ada", "ada:", ":secret", ":"])
def test_a_login_without_user_or_password_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError, match="expected USER:PASSWORD") as raised:
        parse_login(text)
    assert "secret" not in str(raised.value)
