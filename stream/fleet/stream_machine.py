"""What state a stream is in, and when to try again; pure, time is an argument.

::

    stopped --resume--> connecting --frame--> live <--frame-- stalled
                           |  ^                |  --silence-->  |
                           |  | due            |                |
               lost        v  |                |      lost      |
             backoff, quarantined <------------+----------------+

    every state --stop--> stopped

A stream is tried again for ever: after a growing delay, or, where only a person can help (login,
path, codec), seldom. Delays count from the begin of the failed attempt, so that a long one does not
add to them.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from stream.errors import LossCause
from stream.site_file.patience import Patience

JITTER = 0.2
"""Delays are shortened by up to this share, so that streams lost together come back apart."""
LEAST_DELAY_SECONDS = 0.1
"""From a loss to the next attempt."""
GROWTH = 2.0
TRIES_BEFORE_QUARANTINE = 3
"""Cameras that just start say for a moment that there is no such path."""
WATCHDOG_SECONDS = 3.0
"""A reader that is so much over all its limits hangs."""


class StreamState(StrEnum):
    """What a stream is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    BACKOFF = "backoff"
    QUARANTINED = "quarantined"
    STOPPED = "stopped"


class NextStep(StrEnum):
    """What the machine wants done now."""

    OPEN = "open"
    CLOSE = "close"
    ABANDON = "abandon"
    """The reader hangs: leave it where it is, and do not put the stream back there."""


_CONNECTED = {StreamState.CONNECTING, StreamState.LIVE, StreamState.STALLED}
_WAITING = {StreamState.BACKOFF, StreamState.QUARANTINED}
_FOR_A_PERSON = {LossCause.AUTH, LossCause.NOT_FOUND, LossCause.CODEC}


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A machine at one moment."""

    state: StreamState
    since_seconds: float
    """Monotonic time of the last change of state."""
    cause: LossCause | None
    """Of the last loss; None before the first one."""
    failures: int
    """Losses since the last connection that held."""
    due_seconds: float | None
    """Monotonic time of the next attempt, while one is waited for."""
    is_same_cause: bool = False
    """The last loss was for the same cause as the one before, with no frame in between."""


class StreamMachine:
    """One stream. Every method takes the monotonic time, which never goes back."""

    def __init__(self, patience: Patience, seed: int = 0) -> None:
        """Begins stopped; the same seed gives the same delays."""
        self._patience = patience
        self._random = Random(seed)  # noqa: S311 - spreads attempts, guards nothing
        self._state = StreamState.STOPPED
        self._since = 0.0
        self._cause: LossCause | None = None
        self._failures = 0
        self._for_a_person = 0
        self._attempt = 0.0
        self._last_sign = 0.0
        self._live_since: float | None = None
        self._due: float | None = None
        self._is_same_cause = False

    @property
    def state(self) -> StreamState:
        """What the stream is doing."""
        return self._state

    @property
    def status(self) -> StreamStatus:
        """All that is to be told."""
        return StreamStatus(
            self._state,
            self._since,
            self._cause,
            self._failures,
            self._due,
            self._is_same_cause,
        )

    def resume(self, now_seconds: float) -> NextStep | None:
        """The stream is wanted."""
        if self._state is not StreamState.STOPPED:
            return None
        self._failures = self._for_a_person = 0
        return self._open(now_seconds)

    def stop(self, now_seconds: float) -> NextStep | None:
        """The stream is not wanted any more."""
        was_connected = self._state in _CONNECTED
        self._due = None
        self._enter(StreamState.STOPPED, now_seconds)
        return NextStep.CLOSE if was_connected else None

    def opened(self, now_seconds: float) -> None:
        """The source is there; its first frame is not."""
        if self._state is StreamState.CONNECTING:
            self._last_sign = now_seconds

    def frame(self, now_seconds: float) -> None:
        """A frame came."""
        if self._state not in _CONNECTED:
            return
        self._last_sign = now_seconds
        if self._live_since is None:
            self._live_since = now_seconds
        self._enter(StreamState.LIVE, now_seconds)

    def lost(self, cause: LossCause, now_seconds: float) -> None:
        """The connection failed, or was never made; the reader has ended."""
        if self._state not in _CONNECTED:
            return
        if self._live_since is not None:
            self._for_a_person = 0
            if now_seconds - self._live_since >= self._patience.stable_seconds:
                self._failures = 0
        self._is_same_cause = cause is self._cause and self._live_since is None
        self._cause = cause
        self._for_a_person = self._for_a_person + 1 if cause in _FOR_A_PERSON else 0
        if cause is LossCause.AUTH or self._for_a_person >= TRIES_BEFORE_QUARANTINE:
            self._due = now_seconds + self._shortened(self._patience.quarantine_seconds)
            self._enter(StreamState.QUARANTINED, now_seconds)
        else:
            due = self._attempt + self._shortened(self._delay_seconds())
            self._due = max(due, now_seconds + LEAST_DELAY_SECONDS)
            self._enter(StreamState.BACKOFF, now_seconds)
        self._failures += 1

    def tick(self, now_seconds: float) -> NextStep | None:
        """Time passed; call it often."""
        if self._state in _WAITING and self._due is not None and now_seconds >= self._due:
            return self._open(now_seconds)
        if self._state in _CONNECTED and now_seconds >= self._watchdog_due():
            self.lost(LossCause.WATCHDOG, now_seconds)
            return NextStep.ABANDON
        silent = now_seconds - self._last_sign
        if self._state is StreamState.LIVE and silent >= self._patience.stall_seconds:
            self._enter(StreamState.STALLED, now_seconds)
        return None

    def _open(self, now_seconds: float) -> NextStep:
        self._due, self._live_since = None, None
        self._attempt = self._last_sign = now_seconds
        self._enter(StreamState.CONNECTING, now_seconds)
        return NextStep.OPEN

    def _delay_seconds(self) -> float:
        # The exponent is bounded: a stream may fail for years.
        grown = self._patience.first_delay_seconds * GROWTH ** min(self._failures, 32)
        return min(grown, self._patience.max_delay_seconds)

    def _shortened(self, seconds: float) -> float:
        return seconds * self._random.uniform(1 - JITTER, 1)

    def _watchdog_due(self) -> float:
        patience = self._patience
        allowed = patience.silence_seconds
        if self._state is StreamState.CONNECTING:
            # FFmpeg's limit holds for each step of opening, and the first frame comes after it.
            allowed += 2 * patience.open_seconds
        return self._last_sign + allowed + WATCHDOG_SECONDS

    def _enter(self, state: StreamState, now_seconds: float) -> None:
        if state is not self._state:
            self._state, self._since = state, now_seconds
