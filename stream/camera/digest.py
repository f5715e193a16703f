"""Digest access authentication with MD5 (RFC 2617; RFC 7616 with qop=auth)."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stream.errors import ConfigError

REALM = "posestream"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Login:
    """Who may watch."""

    user: str
    password: str = field(repr=False)


def parse_login(text: str) -> Login:
    """Reads `user:password`; the password may hold colons.

    Raises:
        ConfigError: if there is no user or no password.
    """
    user, _, password = text.partition(":")
    if not user or not password:
        raise ConfigError("--auth: expected USER:PASSWORD, with both of them")
    return Login(user, password)


@dataclass(frozen=True, slots=True)
class DigestGuard:
    """Checks the logins of one connection."""

    login: Login | None
    """None lets everybody in."""
    nonce: str

    @property
    def challenge(self) -> str:
        """Value of WWW-Authenticate."""
        return f'Digest realm="{REALM}", nonce="{self.nonce}", algorithm=MD5, qop="auth"'

    def admits(self, method: str, uri: str, authorization: str) -> bool:
        """Whether a request with this Authorization header comes from somebody who may watch."""
        if self.login is None:
            return True
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest":
            return False
        told = _fields(rest)
        expected = {"username": self.login.user, "realm": REALM, "nonce": self.nonce, "uri": uri}
        if any(told.get(name) != value for name, value in expected.items()):
            return False
        answer = digest_response(self.login, method, told)
        return hmac.compare_digest(told.get("response", "").encode(), answer.encode())


def digest_response(login: Login, method: str, told: Mapping[str, str]) -> str:
    """The proof that a client knows the password (RFC 7616, 3.4.1).

    Args:
        login: whose.
        method: of the request.
        told: fields of its Authorization header; without `qop` as in RFC 2069.
    """
    secret = _md5(f"{login.user}:{told['realm']}:{login.password}")
    asked = _md5(f"{method}:{told['uri']}")
    middle = [told["nonce"]]
    if "qop" in told:
        middle += [told.get("nc", ""), told.get("cnonce", ""), told["qop"]]
    return _md5(":".join([secret, *middle, asked]))


def _fields(text: str) -> dict[str, str]:
    return {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2]) if match[3] is None else match[3]
        for match in _FIELD.finditer(text)
    }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
