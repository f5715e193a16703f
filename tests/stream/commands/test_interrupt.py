import os
import signal

import pytest

from stream.commands.interrupt import ctrl_c_ends_at_once, stop_on_signals
from stream.pipeline import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_a_stop_and_the_next_would_end_the_process(
    number: signal.Signals,
) -> None:
    stop = StopRequest()

    with stop_on_signals(stop):
        os.kill(os.getpid(), number)

        assert stop.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    with stop_on_signals(StopRequest()):
        pass

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_before_the_run_ctrl_c_ends_the_process_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)

    with ctrl_c_ends_at_once():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        with stop_on_signals(StopRequest()):
            assert callable(signal.getsignal(signal.SIGINT))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL

    assert signal.getsignal(signal.SIGINT) is before


def test_a_job_in_the_background_goes_on_ignoring_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c_ends_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
