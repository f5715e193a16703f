"""What a person wants to know of a stream: is it well, and if not, why and what helps. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stream.api.chronicle import Rates
from stream.errors import LossCause
from stream.fleet.fleet_view import StreamView
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome


class Level(StrEnum):
    """How bad it is."""

    GOOD = "good"
    IDLE = "idle"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """One thing about a stream, in plain words."""

    level: Level
    words: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class EngineView:
    """What of the engine matters to a stream."""

    is_ready: bool
    refusals: Mapping[str, str]
    """Model -> why the engine does not run it."""


BUSY_SHARE = 0.1
"""Of the frames that are to be inferred; if more are dropped, the engine is too busy."""
BUSY_FPS = 0.3
"""So few dropped frames a second are chance."""
LIVELY_FPS = 0.05
"""Fewer frames a second than that are none."""

CAUSES = {
    LossCause.EOF: (
        "the camera closed the connection",
        "Look at its power, and how many readers it allows.",
    ),
    LossCause.TIMEOUT: (
        "the camera says nothing",
        "Look at the network; for a slow one: profile: wifi.",
    ),
    LossCause.AUTH: (
        "the camera refused the login",
        "Correct the secret; write user and password as they are.",
    ),
    LossCause.TLS: (
        "it listens, but not encrypted as we understand it",
        "Try rtsp:// instead of rtsps://.",
    ),
    LossCause.NOT_FOUND: (
        "the camera knows no such path",
        "Correct what follows the host in the url.",
    ),
    LossCause.CODEC: (
        "what comes is no video that can be decoded here",
        "Set the camera to H.264 or H.265.",
    ),
    LossCause.NETWORK: (
        "nobody listens there, or no way leads there",
        "Check host, port, firewall, and the camera's power.",
    ),
    LossCause.WATCHDOG: (
        "the reader itself hung or died",
        "It is started anew; tell us if it comes again.",
    ),
}


def diagnosis(view: StreamView, rates: Rates, engine: EngineView) -> list[StreamFinding]:
    """What is to be told of a stream, the worst first; never empty."""
    found = list(_findings(view, rates, engine)) or [_well(view, rates)]
    order = [Level.BAD, Level.WARNING, Level.IDLE, Level.GOOD]
    return sorted(found, key=lambda finding: order.index(finding.level))


def _findings(view: StreamView, rates: Rates, engine: EngineView) -> Iterator[StreamFinding]:
    refusal = engine.refusals.get(view.model)
    if refusal:
        words = f"The engine does not run the model {view.model}: {refusal}"
        yield StreamFinding(Level.BAD, words, "Name another model, or see `posestream doctor`.")
    if view.state is StreamState.LIVE:
        yield from _while_live(view, rates, engine)
    elif view.is_paused:
        yield StreamFinding(Level.IDLE, "Paused: it is not read until it is resumed.")
    else:
        yield _while_away(view)


def _while_away(view: StreamView) -> StreamFinding:
    since = _seconds(view.state_seconds)
    if view.state is StreamState.CONNECTING:
        level = Level.WARNING if view.reconnects else Level.IDLE
        return StreamFinding(level, f"Connecting since {since}.")
    if view.state is StreamState.STALLED:
        words = f"Connected, but no frame came for {_seconds(view.last_frame_age_seconds or 0)}."
        return StreamFinding(
            Level.BAD, words, "If it lasts, the connection is made anew by itself."
        )
    if view.cause is None:
        return StreamFinding(Level.IDLE, f"Stopped since {since}.")
    words, remedy = CAUSES[view.cause]
    return StreamFinding(Level.BAD, f"Not connected: {words}.{_next_attempt(view)}", remedy)


def _next_attempt(view: StreamView) -> str:
    if view.retry_in_seconds is None:
        return ""
    only = " A person is needed, so it is tried" if view.state is StreamState.QUARANTINED else ""
    return f"{only or ' Tried'} again in {_seconds(view.retry_in_seconds)}."


def _while_live(view: StreamView, rates: Rates, engine: EngineView) -> Iterator[StreamFinding]:
    failed, corrupt = rates.of(Outcome.FAILED), rates.of(Outcome.CORRUPT)
    if not engine.is_ready and not engine.refusals:
        yield StreamFinding(Level.WARNING, "Frames come, but the engine is still getting ready.")
    if failed > 0:
        words = f"The engine fails on {_number(failed)} frames a second."
        yield StreamFinding(Level.BAD, words, "See the daemon's log for its reason.")
    if corrupt > 0:
        words = f"{_number(corrupt)} pictures a second come damaged and are left out."
        yield StreamFinding(
            Level.WARNING, words, "Packets get lost on the way; try transport: tcp."
        )
    if engine.is_ready:
        yield from _overload(view, rates)


def _overload(view: StreamView, rates: Rates) -> Iterator[StreamFinding]:
    dropped, inferred = rates.of(Outcome.DROPPED), rates.of(Outcome.INFERRED)
    if dropped > max(BUSY_SHARE * (dropped + inferred), BUSY_FPS):
        words = (
            f"The engine is too busy: of {_number(dropped + inferred)} frames a second it could "
            f"not take {_number(dropped)}."
        )
        yield StreamFinding(
            Level.WARNING, words, "Give streams a lower max_fps, or take a faster model."
        )
    age = view.result_age_seconds
    if age is not None and age > 2 * view.target_age_seconds and inferred > LIVELY_FPS:
        words = f"Results are {_seconds(age)} old; {_seconds(view.target_age_seconds)} are wanted."
        yield StreamFinding(
            Level.WARNING, words, "Give streams a lower max_fps, or take a faster model."
        )


def _well(view: StreamView, rates: Rates) -> StreamFinding:
    if rates.read < LIVELY_FPS:
        return StreamFinding(Level.GOOD, "Live; its first frames are coming.")
    inferred = rates.of(Outcome.INFERRED)
    wanted = f", as max_fps: {view.max_fps:g} wants" if view.max_fps else ""
    words = f"{_number(rates.read)} frames a second come, {_number(inferred)} are inferred{wanted}."
    return StreamFinding(Level.GOOD, f"All is well: {words}")


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
