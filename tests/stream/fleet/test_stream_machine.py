from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stream.errors import LossCause
from stream.fleet.stream_machine import (
    JITTER,
    LEAST_DELAY_SECONDS,
    TRIES_BEFORE_QUARANTINE,
    NextStep,
    StreamMachine,
    StreamState,
)
from stream.site_file.patience import PATIENCE, Patience, Profile

PATIENCE_OF_TEST = Patience(
    open_seconds=2,
    stall_seconds=1,
    silence_seconds=3,
    first_delay_seconds=0.5,
    max_delay_seconds=8,
    quarantine_seconds=60,
    stable_seconds=10,
)
CAUSES = st.sampled_from(LossCause)
HELPLESS = [LossCause.EOF, LossCause.TIMEOUT, LossCause.NETWORK, LossCause.TLS]


def connected(patience: Patience = PATIENCE_OF_TEST, seed: int = 0) -> StreamMachine:
    machine = StreamMachine(patience, seed)
    assert machine.resume(0.0) is NextStep.OPEN
    return machine


def wait_for_attempt(machine: StreamMachine) -> float:
    """Goes to the next attempt; returns when it is."""
    due = machine.status.due_seconds
    assert due is not None
    assert machine.tick(due - 1e-6) is None
    assert machine.tick(due) is NextStep.OPEN
    return due


def test_a_stream_connects_goes_live_stalls_and_comes_back() -> None:
    machine = connected()
    states = [machine.state]
    machine.opened(0.5)
    machine.frame(0.6)
    states.append(machine.state)
    for now in (1.5, 1.6):
        assert machine.tick(now) is None
        states.append(machine.state)
    machine.frame(2.0)
    states.append(machine.state)
    assert [state.value for state in states] == ["connecting", "live", "live", "stalled", "live"]
    assert machine.status.since_seconds == 2.0


def test_delays_grow_to_the_cap_and_lie_within_the_jitter() -> None:
    machine, now, delays = connected(), 0.0, []
    for _ in range(8):
        machine.lost(LossCause.NETWORK, now)
        assert machine.state is StreamState.BACKOFF
        later = wait_for_attempt(machine)
        delays.append(later - now)
        now = later
    for delay, full in zip(delays, [0.5, 1, 2, 4, 8, 8, 8, 8], strict=True):
        assert full * (1 - JITTER) <= delay <= full


def test_the_same_seed_gives_the_same_delays_and_another_one_others() -> None:
    dues = []
    for seed in (1, 1, 2):
        machine = connected(seed=seed)
        machine.lost(LossCause.NETWORK, 0.0)
        dues.append(machine.status.due_seconds)
    assert dues[0] == dues[1] != dues[2]


def test_a_connection_that_held_makes_the_delay_small_again() -> None:
    machine, now = connected(), 0.0
    for _ in range(5):
        machine.lost(LossCause.EOF, now)
        now = wait_for_attempt(machine)
    machine.frame(now)
    machine.lost(LossCause.EOF, now + PATIENCE_OF_TEST.stable_seconds)
    assert machine.status.failures == 1
    assert machine.status.due_seconds == pytest.approx(now + 10 + LEAST_DELAY_SECONDS)


def test_a_connection_that_did_not_hold_leaves_the_delay_large() -> None:
    machine, now = connected(), 0.0
    for _ in range(5):
        machine.frame(now)
        machine.lost(LossCause.EOF, now)
        now = wait_for_attempt(machine)
    assert machine.status.failures == 5


def test_a_long_attempt_does_not_add_to_the_delay() -> None:
    machine = connected()
    machine.lost(LossCause.TIMEOUT, 5.0)
    assert machine.status.due_seconds == pytest.approx(5.0 + LEAST_DELAY_SECONDS)


def test_a_refused_login_is_quarantined_at_once_and_tried_again() -> None:
    machine, now = connected(), 0.0
    for _ in range(5):
        machine.lost(LossCause.AUTH, now)
        assert machine.state is StreamState.QUARANTINED
        later = wait_for_attempt(machine)
        assert later - now >= PATIENCE_OF_TEST.quarantine_seconds * (1 - JITTER)
        now = later


@pytest.mark.parametrize("cause", [LossCause.NOT_FOUND, LossCause.CODEC])
def test_a_wrong_path_or_codec_is_quarantined_when_it_lasts(cause: LossCause) -> None:
    machine, now, states = connected(), 0.0, []
    for _ in range(TRIES_BEFORE_QUARANTINE):
        machine.lost(cause, now)
        states.append(machine.state)
        now = wait_for_attempt(machine)
    assert states == [*[StreamState.BACKOFF] * 2, StreamState.QUARANTINED]


def test_another_cause_in_between_begins_the_count_anew() -> None:
    machine, now = connected(), 0.0
    for cause in (LossCause.CODEC, LossCause.CODEC, LossCause.NETWORK, LossCause.CODEC):
        machine.lost(cause, now)
        assert machine.state is StreamState.BACKOFF
        now = wait_for_attempt(machine)


@pytest.mark.parametrize("goes_live", [False, True])
def test_a_reader_that_hangs_is_abandoned_and_the_stream_tried_again(goes_live: bool) -> None:
    machine = connected()
    if goes_live:
        machine.frame(0.0)
    actions = [machine.tick(tenth / 10) for tenth in range(200)]
    assert actions.index(NextStep.ABANDON) == next(n for n, a in enumerate(actions) if a)
    assert machine.status.cause is LossCause.WATCHDOG
    assert NextStep.OPEN in actions


def test_stop_closes_what_is_open_and_nothing_else() -> None:
    machine = connected()
    machine.frame(1.0)
    assert machine.stop(2.0) is NextStep.CLOSE
    assert machine.stop(2.0) is None
    assert machine.tick(1e9) is None
    assert machine.state is StreamState.STOPPED
    assert machine.resume(3.0) is NextStep.OPEN
    machine.lost(LossCause.NETWORK, 3.0)
    assert machine.stop(3.0) is None


@given(st.lists(st.sampled_from(HELPLESS), min_size=1, max_size=60))
def test_a_wired_camera_is_tried_at_least_every_second_and_a_half(causes: list[LossCause]) -> None:
    machine = connected(PATIENCE[Profile.WIRED])
    attempts, now = [0.0], 0.0
    for cause in causes:
        machine.lost(cause, now)
        now = wait_for_attempt(machine)
        attempts.append(now)
    assert max(later - earlier for earlier, later in pairwise(attempts)) <= 1.5


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to a stream, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = StreamMachine(PATIENCE_OF_TEST, seed=1)
        self.now = 0.0
        self.is_wanted = False
        self.is_open = False

    def act(self, action: NextStep | None) -> None:
        if action is NextStep.OPEN:
            assert not self.is_open, "opened twice"
            self.is_open = True
        elif action is not None:
            assert self.is_open, "closed what was not open"
            self.is_open = False

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.act(self.machine.tick(self.now))

    @rule()
    def resume(self) -> None:
        self.is_wanted = True
        self.act(self.machine.resume(self.now))

    @rule()
    def stop(self) -> None:
        self.is_wanted = False
        self.act(self.machine.stop(self.now))

    @rule()
    def frame(self) -> None:
        self.machine.frame(self.now)

    @rule(cause=CAUSES)
    def lose(self, cause: LossCause) -> None:
        self.machine.lost(cause, self.now)
        self.is_open = False

    @invariant()
    def a_wanted_stream_is_open_or_will_be(self) -> None:
        status = self.machine.status
        assert (status.state is StreamState.STOPPED) == (not self.is_wanted)
        waits = status.state in (StreamState.BACKOFF, StreamState.QUARANTINED)
        assert self.is_open == (self.is_wanted and not waits)
        assert (status.due_seconds is not None) == waits
        if status.due_seconds is not None:
            assert status.due_seconds <= self.now + PATIENCE_OF_TEST.quarantine_seconds


TestAnyLife = AnyLife.TestCase
