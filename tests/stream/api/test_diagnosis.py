from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.api.chronicle import ORDER, Rates
from stream.api.diagnosis import CAUSES, EngineView, Level, diagnosis
from stream.errors import LossCause
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome
from tests.stream_views import view_of_stream

READY = EngineView(is_ready=True, refusals={})
STARTING = EngineView(is_ready=False, refusals={})
LOST: dict[str, Any] = {"state": StreamState.BACKOFF, "retry_in_seconds": 0.4, "reconnects": 1}


def rates(**each: float) -> Rates:
    counts = tuple(each.get(outcome.value, 0.0) for outcome in ORDER)
    return Rates(sum(counts), counts)


def test_a_stream_that_is_well_says_so_with_its_rates() -> None:
    [finding] = diagnosis(view_of_stream(), rates(inferred=5, skipped=20), READY)
    assert finding.level is Level.GOOD
    assert "25 frames a second come, 5 are inferred, as max_fps: 5 wants" in finding.words


@pytest.mark.parametrize(
    ("fields", "each", "engine", "level", "words"),
    [
        ({}, {"inferred": 3, "dropped": 2}, READY, Level.WARNING, "could not take 2"),
        ({"result_age_seconds": 1.5}, {"inferred": 5}, READY, Level.WARNING, "1.5 s old; 250 ms"),
        ({}, {"failed": 5}, READY, Level.BAD, "fails on 5 frames a second"),
        ({}, {"corrupt": 1, "inferred": 5}, READY, Level.WARNING, "come damaged"),
        ({}, {"dropped": 25}, STARTING, Level.WARNING, "still getting ready"),
        ({}, {}, READY, Level.GOOD, "first frames are coming"),
        (
            {"state": StreamState.STALLED, "last_frame_age_seconds": 3},
            {},
            READY,
            Level.BAD,
            "3.0 s",
        ),
        ({"state": StreamState.STOPPED, "is_paused": True}, {}, READY, Level.IDLE, "Paused"),
        ({"state": StreamState.CONNECTING}, {}, READY, Level.IDLE, "Connecting since"),
        ({**LOST, "cause": LossCause.EOF}, {}, READY, Level.BAD, "Tried again in 400 ms"),
        (
            {**LOST, "cause": LossCause.AUTH, "state": StreamState.QUARANTINED},
            {},
            READY,
            Level.BAD,
            "A person is needed",
        ),
    ],
)
def test_the_worst_comes_first_in_plain_words(
    fields: dict[str, Any], each: dict[str, float], engine: EngineView, level: Level, words: str
) -> None:
    worst = diagnosis(view_of_stream(**fields), rates(**each), engine)[0]
    assert worst.level is level
    assert words in worst.words


def test_a_refused_model_is_the_reason_whatever_the_stream_does() -> None:
    engine = EngineView(is_ready=False, refusals={"bottom_up": "it is altered"})
    worst = diagnosis(view_of_stream(), rates(dropped=25), engine)[0]
    assert worst.level is Level.BAD
    assert "bottom_up: it is altered" in worst.words


def test_every_cause_of_a_loss_has_words_and_a_remedy() -> None:
    assert CAUSES.keys() == set(LossCause)
    for words, remedy in CAUSES.values():
        assert words
        assert remedy.endswith(".")


@given(
    st.sampled_from(StreamState),
    st.sampled_from([None, *LossCause]),
    st.dictionaries(st.sampled_from([outcome.value for outcome in Outcome]), st.floats(0, 1e6)),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_every_stream_has_a_diagnosis(
    state: StreamState,
    cause: LossCause | None,
    each: dict[str, float],
    is_ready: bool,
    age: float | None,
) -> None:
    view = view_of_stream(
        state=state,
        cause=cause,
        is_paused=state is StreamState.STOPPED,
        result_age_seconds=age,
        last_frame_age_seconds=age,
        retry_in_seconds=age,
    )
    found = diagnosis(view, rates(**each), EngineView(is_ready, {}))
    assert found
    assert all(finding.words for finding in found)
