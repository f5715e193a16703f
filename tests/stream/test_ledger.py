from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.frame import Outcome
from stream.ledger import FrameLedger, LedgerError

steps = st.lists(st.sampled_from([None, *Outcome]))
"""What happens one after the other: None is a frame that was read."""


@given(steps)
def test_the_books_balance_after_every_step(events: list[Outcome | None]) -> None:
    ledger, read, closed = FrameLedger(), 0, Counter[Outcome]()
    for event in events:
        if event is None:
            ledger.open_frame()
            read += 1
        elif closed.total() == read:
            with pytest.raises(LedgerError, match="never read"):
                ledger.close_frame(event)
        else:
            ledger.close_frame(event)
            closed[event] += 1
        assert ledger.read == read
        assert ledger.in_flight == read - closed.total() >= 0
        assert ledger.outcomes == {outcome: closed[outcome] for outcome in Outcome}


def test_a_new_ledger_is_empty_and_shares_nothing() -> None:
    first, second = FrameLedger(), FrameLedger()
    first.open_frame()
    first.close_frame(Outcome.DROPPED)
    assert second == FrameLedger()
    assert (first.read, first.in_flight, first.outcomes[Outcome.DROPPED]) == (1, 0, 1)
