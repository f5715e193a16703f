"""The address of a network source: parsed once, so that its login never shows.

People write passwords as they are, with / ? # or @ inside, where an address wants them as %2F %3F
%23 %40. A login is found in both forms and always handed on in the second.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from stream.errors import ConfigError
from stream.redaction import HIDDEN, redacted

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https")
_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
_PATH_BEGINS = re.compile(r"[/?#]")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True, repr=False)
class SourceUrl:
    """Where a network source is. Its text and its repr show no login."""

    scheme: str
    host: str
    port: int | None
    path: str
    """With its slash, and with query and fragment; may hold a secret field."""
    user: str = ""
    password: str = ""
    shown: str = ""
    """What messages and logs may say: no login, no secret query field."""

    @property
    def address(self) -> str:
        """For the reader only: with the login, percent-encoded as RFC 3986 wants it."""
        login = quote(self.user, safe="")
        if self.password:
            login += ":" + quote(self.password, safe="")
        return f"{self.scheme}://{login}{'@' if login else ''}{self._place}{self.path}"

    @property
    def _place(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.shown

    __repr__ = __str__


def parse_source_url(text: str) -> SourceUrl:
    """The parts of an address.

    A login written as RFC 3986 wants it is always read right. One with raw / ? # inside is read
    right unless what stands before that sign could itself be a host, as in `joe:12/34@cam`.

    Raises:
        ConfigError: if it is no address, or has no host; the message shows no login.
    """
    parts = _PARTS.fullmatch(text)
    split = _split_login(parts["rest"]) if parts else None
    if parts is None or split is None:
        raise ConfigError(
            f"source {shown_url(text)}: expected scheme://host/path; if the password has one of "
            "/ ? # @ in it, write it as %2F %3F %23 %40"
        )
    login, place, path = split
    user, _, password = login.partition(":")
    return SourceUrl(
        scheme=parts["scheme"].lower(),
        host=place["host"],
        port=int(place["port"]) if place["port"] else None,
        path=path.replace(" ", "%20"),
        user=unquote(user),
        password=unquote(password),
        shown=shown_url(text),
    )


def shown_url(text: str) -> str:
    """An address without its login: all up to the last @ goes, so that no password can stay.

    Where no host can be told from a password, all goes.
    """
    scheme, mark, rest = text.partition("://")
    _, at, after = rest.rpartition("@")
    if mark and _valid_place(_split_path(after)[0]) is None:
        return f"{scheme}{mark}{HIDDEN}"
    return redacted(f"{scheme}{mark}{HIDDEN}@{after}" if at else text)


def _split_login(rest: str) -> tuple[str, re.Match[str], str] | None:
    """(login, host and port, path) of what follows the scheme; None if there is no host."""
    authority, path = _split_path(rest)
    login, _, place = authority.rpartition("@")
    if (found := _valid_place(place)) is not None:
        return login, found, path
    # The login may hold a raw / ? #, so that the authority seemed to end within it.
    login, _, after = rest.rpartition("@")
    place, path = _split_path(after)
    found = _valid_place(place)
    return None if found is None else (login, found, path)


def _split_path(text: str) -> tuple[str, str]:
    begins = _PATH_BEGINS.search(text)
    return (text[: begins.start()], text[begins.start() :]) if begins else (text, "")


def _valid_place(text: str) -> re.Match[str] | None:
    place = _PLACE.fullmatch(text)
    return place if place and int(place["port"] or 0) <= _MAX_PORT else None
