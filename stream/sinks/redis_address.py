"""Reads `redis://[user:password@]HOST[:PORT]/DB[?stream=NAME&maxlen=N]` and lets nothing leak."""

import difflib
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from stream.errors import ConfigError

FORM = "redis://[user:password@]HOST[:PORT]/DB[?stream=NAME&maxlen=N]"
DEFAULT_PORT = 6379
DEFAULT_MAXLEN = 100_000


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis server is, how to log in, and which Redis stream to write."""

    host: str
    port: int = DEFAULT_PORT
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    stream_name: str | None = None
    """Takes the place of the result's own stream in the key."""
    maxlen: int = DEFAULT_MAXLEN
    """The server keeps about this many newest results per key, never fewer."""

    def __str__(self) -> str:
        """The address without the login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis://{host}:{self.port}/{self.db}"


def parse_redis_address(location: str) -> RedisAddress:
    """The address in `location`; user, password and names are percent-decoded.

    No message repeats any part of `location` that may belong to a password.

    Raises:
        ConfigError: if `location` has another form.
    """
    parts = _split(location)
    options = _options(parts)
    return RedisAddress(
        host=_host(parts),
        port=_port(parts),
        db=_count("database", parts.path.removeprefix("/") or "0", 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        stream_name=options.get("stream") or None,
        maxlen=_count("maxlen", options.get("maxlen", str(DEFAULT_MAXLEN)), 1),
    )


def _split(location: str) -> SplitResult:
    # `from None`: urlsplit's messages repeat the text, and with it the password.
    try:
        parts = urlsplit(location)
    except ValueError:
        raise _wrong_form() from None
    if parts.scheme != "redis" or parts.fragment or "@" in parts.path + parts.query:
        raise _wrong_form()
    return parts


def _host(parts: SplitResult) -> str:
    if not parts.hostname:
        raise _wrong_form()
    return parts.hostname


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or DEFAULT_PORT
    except ValueError:
        raise _wrong_form() from None


def _options(parts: SplitResult) -> dict[str, str]:
    try:
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _wrong_form() from None
    known = ("stream", "maxlen")
    for name in options.keys() - set(known):
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ConfigError(f"redis address: no option {name!r}; did you mean {nearest!r}? ({FORM})")
    return options


def _count(name: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise ConfigError(
            f"redis address: {name} must be a whole number of {least} or more ({FORM}); "
            f"write / ? # @ % : of user and password as %2F %3F %23 %40 %25 %3A"
        )
    return int(text)


def _wrong_form() -> ConfigError:
    return ConfigError(
        f"redis address: cannot be read, expected {FORM}; "
        f"write / ? # @ % : of user and password as %2F %3F %23 %40 %25 %3A"
    )
