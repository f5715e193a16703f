from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event, Thread

import pytest

from stream.errors import EngineError
from stream.frame import Frame
from stream.jobs.shared_estimator import SharedEstimator
from stream.pose import FramePoses
from stream.worker import start_thread
from tests.run_parts import (
    WAIT_SECONDS,
    MadeUpEstimator,
    OverlappingMadeUpEstimator,
    small_frame,
)


@contextmanager
def served(shared: SharedEstimator) -> Iterator[Thread]:
    thread = start_thread("engine", shared.serve)
    with ExitStack() as at_the_end:
        at_the_end.callback(thread.join, WAIT_SECONDS)
        at_the_end.callback(shared.close)
        yield thread


class Asker:
    """A thread that wants the poses of some frames."""

    def __init__(self, shared: SharedEstimator, *indices: int) -> None:
        self.found: list[FramePoses] = []
        self.error: Exception | None = None
        frames = [small_frame(index) for index in indices]

        def ask() -> None:
            try:
                self.found = shared.estimate(frames)
            except EngineError as error:
                self.error = error

        self.thread = start_thread("asker", ask)

    def answer(self) -> list[int]:
        self.thread.join(WAIT_SECONDS)
        assert not self.thread.is_alive()
        return [poses.index for poses in self.found]


def test_frames_that_wait_at_the_same_time_ride_together() -> None:
    busy, go_on = Event(), Event()
    estimator = MadeUpEstimator(batch_size=3)

    def hold() -> None:
        busy.set()
        assert go_on.wait(WAIT_SECONDS)

    estimator.before_batch = hold
    shared = SharedEstimator(estimator)
    with served(shared):
        first = Asker(shared, 0)
        assert busy.wait(WAIT_SECONDS)
        others = []
        for index in (1, 2, 3, 4):
            others.append(Asker(shared, index))
            while len(shared._waiting) < len(others):
                Event().wait(0.001)
        go_on.set()
        assert [first.answer(), *(one.answer() for one in others)] == [[0], [1], [2], [3], [4]]
    assert estimator.batches == [(0,), (1, 2, 3), (4,)]


def test_everybody_gets_their_own_answers_in_their_order() -> None:
    shared = SharedEstimator(MadeUpEstimator(batch_size=8))
    with served(shared):
        askers = [Asker(shared, 10 * number, 10 * number + 1) for number in range(20)]
        for number, asker in enumerate(askers):
            assert asker.answer() == [10 * number, 10 * number + 1]


def test_a_bad_frame_costs_only_the_run_it_belongs_to() -> None:
    shared = SharedEstimator(MadeUpEstimator(batch_size=100, failing=[7]))
    with served(shared):
        askers = [Asker(shared, index) for index in range(12)]
        answers = [asker.answer() for asker in askers]
    assert answers == [[] if index == 7 else [index] for index in range(12)]
    assert isinstance(askers[7].error, EngineError)


def test_the_next_batch_is_handed_over_before_the_last_one_is_over() -> None:
    estimator = OverlappingMadeUpEstimator(batch_size=1, failing=[5], in_flight=2)
    shared = SharedEstimator(estimator)
    pending = [shared.submit([small_frame(index)]) for index in range(8)]
    with served(shared):
        for index, one in enumerate(pending):
            if index == 5:
                with pytest.raises(EngineError, match="made to fail"):
                    one.result()
            else:
                assert [poses.index for poses in one.result()] == [index]
    assert (shared.in_flight, estimator.most_under_way) == (2, 2)


def test_runs_that_ride_together_are_tried_alone_when_they_fail_under_way() -> None:
    estimator = OverlappingMadeUpEstimator(batch_size=3, failing=[4], in_flight=2)
    shared = SharedEstimator(estimator)
    pending = [shared.submit([small_frame(index)]) for index in range(9)]
    with served(shared):
        with pytest.raises(EngineError, match="made to fail"):
            pending[4].result()
        others = [index for index in range(9) if index != 4]
        assert [pending[index].result()[0].index for index in others] == others
    assert estimator.batches == [(0, 1, 2), (3, 4, 5), (3,), (4,), (5,), (6, 7, 8)]


def test_a_run_fills_a_batch_by_itself() -> None:
    assert SharedEstimator(MadeUpEstimator(batch_size=8)).batch_size == 8


def test_after_close_nothing_is_taken_and_what_waited_is_answered() -> None:
    shared = SharedEstimator(MadeUpEstimator())
    with served(shared) as thread:
        asker = Asker(shared, 5)
        assert asker.answer() == [5]
        shared.close()
        thread.join(WAIT_SECONDS)
        with pytest.raises(EngineError, match="was closed"):
            shared.estimate([small_frame(6)])


class Lost(MadeUpEstimator):
    """Has a bug."""

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        raise ZeroDivisionError


def test_a_bug_reaches_the_run_that_asked() -> None:
    shared = SharedEstimator(Lost())
    with served(shared), pytest.raises(ZeroDivisionError):
        shared.estimate([small_frame(0)])
