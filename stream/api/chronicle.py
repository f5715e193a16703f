"""What happened to each stream lately: rates, counts second by second, changes of state.

Used by the thread of the API's event loop only; time is an argument.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.fleet.fleet_view import EventKind, FleetEvent, StreamView
from stream.frame import Outcome

STEP_SECONDS = 1.0
KEPT_STEPS = 600
KEPT_EVENTS = 100
RATE_SECONDS = 5.0
"""Rates are means over so long."""


@dataclass(frozen=True, slots=True)
class LedgerMoment:
    """The counts of a stream at a moment."""

    now_seconds: float
    wall_seconds: float
    state: str
    read: int
    outcomes: tuple[int, ...]
    """In the order of `Outcome`."""

    def count(self, outcome: Outcome) -> int:
        """Frames with that outcome so far."""
        return self.outcomes[ORDER[outcome]]


ORDER = {outcome: place for place, outcome in enumerate(Outcome)}


@dataclass(frozen=True, slots=True)
class Rates:
    """Frames a second, lately."""

    read: float = 0.0
    outcomes: tuple[float, ...] = (0.0,) * len(ORDER)

    def of(self, outcome: Outcome) -> float:
        """Frames a second with that outcome."""
        return self.outcomes[ORDER[outcome]]


@dataclass(slots=True)
class _Record:
    moments: deque[LedgerMoment] = field(default_factory=lambda: deque(maxlen=KEPT_STEPS))
    events: deque[FleetEvent] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))


class Chronicle:
    """Of all streams there are; what was removed is forgotten."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}

    def keep(self, views: Iterable[StreamView], now_seconds: float, wall_seconds: float) -> None:
        """Looks at all streams; the steps it keeps are a second apart or more."""
        seen = {view.name: view for view in views}
        for name in self._records.keys() - seen.keys():
            del self._records[name]
        for name, view in seen.items():
            moments = self._records.setdefault(name, _Record()).moments
            if not moments or now_seconds - moments[-1].now_seconds >= 0.9 * STEP_SECONDS:
                moments.append(_moment(view, now_seconds, wall_seconds))

    def note(self, event: FleetEvent) -> None:
        """Something happened."""
        if event.kind is EventKind.REMOVED:
            self._records.pop(event.stream, None)
        elif event.stream:
            self._records.setdefault(event.stream, _Record()).events.append(event)

    def moments(self, name: str) -> list[LedgerMoment]:
        """Of the last ten minutes, oldest first."""
        record = self._records.get(name)
        return list(record.moments) if record else []

    def events(self, name: str) -> list[FleetEvent]:
        """The last hundred, oldest first."""
        record = self._records.get(name)
        return list(record.events) if record else []

    def rates(self, name: str) -> Rates:
        """Of the last seconds; all 0 before there are two steps."""
        moments = self.moments(name)
        if len(moments) < 2:
            return Rates()
        last = moments[-1]
        first = next(m for m in moments if last.now_seconds - m.now_seconds <= RATE_SECONDS)
        seconds = last.now_seconds - first.now_seconds
        if seconds <= 0:
            return Rates()
        counts = zip(last.outcomes, first.outcomes, strict=True)
        return Rates(
            (last.read - first.read) / seconds, tuple((b - a) / seconds for b, a in counts)
        )


def _moment(view: StreamView, now_seconds: float, wall_seconds: float) -> LedgerMoment:
    counts = tuple(view.ledger.outcomes[outcome] for outcome in ORDER)
    return LedgerMoment(now_seconds, wall_seconds, view.state.value, view.ledger.read, counts)
