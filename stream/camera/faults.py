"""What can go wrong with a camera, and how users write it: `KIND:KEY=VALUE,KEY=VALUE`.

====================== ===========================================================================
drop:share=S           the share S of all packets is lost; with at=T only from T seconds on
damage:share=S         in the share S of all pictures some bytes are flipped; with at=T from then on
stall:at=T,seconds=D   after T seconds nothing is sent for D seconds; the connection stays
jump:at=T,seconds=D    after T seconds the timestamps jump by D seconds (below 0: back)
disconnect:at=T        after T seconds the connection is closed
switch:to=FILE         every second connection gets FILE instead: another size or codec
switch:to=FILE,at=T    after T seconds FILE goes on in the same connection; if its codec is another
                       one, the connection is closed instead, and every second one gets FILE
half-open              connections are accepted, and no request is answered
wrong-auth             every login is refused
====================== ===========================================================================

Seconds count from the moment a client begins to play. Every kind also takes `on=cam0`, to hit one
mount instead of all, and `first=N`, to hit only the first N connections to a mount.
"""

import difflib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream.errors import ConfigError

MAX_JUMP_SECONDS = 23_000.0
"""A reader cannot tell a longer jump from one the other way: timestamps wrap at 2^32 ticks."""

Since = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Fault(BaseModel):
    """One thing that goes wrong, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    on: str | None = None
    """Name of the only mount that it hits."""
    first: int | None = Field(default=None, ge=1)
    """How many connections to a mount it hits, from the first one on."""

    def hits(self, mount: str, connection: int) -> bool:
        """Whether it holds for this connection, counted from 0, to this mount."""
        return self.on in (None, mount) and (self.first is None or connection < self.first)


class Drop(Fault):
    """Packets are lost."""

    share: Share
    at: Since = 0.0


class Damage(Fault):
    """Pictures have flipped bytes."""

    share: Share
    at: Since = 0.0


class Stall(Fault):
    """Nothing is sent for a while."""

    at: Since
    seconds: float = Field(gt=0)


class Jump(Fault):
    """The timestamps jump."""

    at: Since
    seconds: float = Field(ge=-MAX_JUMP_SECONDS, le=MAX_JUMP_SECONDS)


class Disconnect(Fault):
    """The connection is closed."""

    at: Since


class Switch(Fault):
    """Another file takes the place of the mount's own."""

    to: Path
    at: Since | None = None


class HalfOpen(Fault):
    """No request is answered."""


class WrongAuth(Fault):
    """Every login is refused."""


KINDS: dict[str, type[Fault]] = {
    "drop": Drop,
    "damage": Damage,
    "stall": Stall,
    "jump": Jump,
    "disconnect": Disconnect,
    "switch": Switch,
    "half-open": HalfOpen,
    "wrong-auth": WrongAuth,
}


def parse_fault(spec: str) -> Fault:
    """The fault that a user wrote.

    Raises:
        ConfigError: if no such fault exists, or values make no sense; all that is wrong at once.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind not in KINDS:
        nearest = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"--fault {spec!r}: no fault {kind!r}; did you mean {nearest!r}? There are: "
            f"{', '.join(KINDS)}"
        )
    values = _values(spec, rest)
    try:
        return KINDS[kind].model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"--fault {spec!r}: {_in_words(error, kind)}") from error


def _values(spec: str, text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    keys = [key.strip() for key, _, _ in pairs]
    wrong = [key for key, equals, _ in pairs if not equals or keys.count(key.strip()) > 1]
    if wrong:
        raise ConfigError(
            f"--fault {spec!r}: expected KIND:KEY=VALUE,KEY=VALUE with every key once, "
            f"got {wrong[0]!r}"
        )
    return {key: value.strip() for key, (_, _, value) in zip(keys, pairs, strict=True)}


def _in_words(error: ValidationError, kind: str) -> str:
    found = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
    return f"{found} (keys of {kind}: {', '.join(sorted(KINDS[kind].model_fields))})"
