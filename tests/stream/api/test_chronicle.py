from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.api.chronicle import KEPT_EVENTS, KEPT_STEPS, Chronicle
from stream.fleet.fleet_view import EventKind, FleetEvent
from stream.frame import Outcome
from tests.stream_views import ledger_of, view_of_stream


def test_rates_are_of_the_last_seconds_only() -> None:
    chronicle = Chronicle()
    for second in range(20):
        # Fast at first, then 25 frames a second of which 5 are inferred.
        count = 1000 * second if second < 10 else 10_000 + second
        counts = ledger_of(inferred=count + 4 * max(0, second - 10), skipped=20 * second)
        chronicle.keep([view_of_stream(ledger=counts)], float(second), 1000.0 + second)
    rates = chronicle.rates("cam")
    assert rates.read == 25
    assert rates.of(Outcome.INFERRED) == 5
    assert rates.of(Outcome.SKIPPED) == 20
    assert rates.of(Outcome.DROPPED) == 0


def test_there_is_no_rate_before_two_steps() -> None:
    chronicle = Chronicle()
    assert chronicle.rates("cam").read == 0
    chronicle.keep([view_of_stream(ledger=ledger_of(inferred=9))], 1.0, 1.0)
    assert chronicle.rates("cam").read == 0


@given(st.lists(st.floats(0.01, 3), max_size=60))
def test_steps_are_about_a_second_apart_however_often_it_looks(pauses: list[float]) -> None:
    chronicle, now = Chronicle(), 0.0
    for pause in pauses:
        now += pause
        chronicle.keep([view_of_stream()], now, now)
    times = [moment.now_seconds for moment in chronicle.moments("cam")]
    assert all(b - a >= 0.9 - 1e-9 for a, b in pairwise(times))


def test_what_it_keeps_is_bounded_and_goes_with_the_stream() -> None:
    chronicle = Chronicle()
    for second in range(KEPT_STEPS + 50):
        chronicle.keep([view_of_stream()], float(second), float(second))
        chronicle.note(FleetEvent(EventKind.STATE, "cam", float(second)))
    assert len(chronicle.moments("cam")) == KEPT_STEPS
    assert len(chronicle.events("cam")) == KEPT_EVENTS
    chronicle.note(FleetEvent(EventKind.REMOVED, "cam", 0.0))
    assert chronicle.moments("cam") == []
    assert chronicle.events("cam") == []
    chronicle.keep([view_of_stream()], 9999.0, 0.0)
    chronicle.keep([], 10_000.0, 0.0)
    assert chronicle.moments("cam") == []
