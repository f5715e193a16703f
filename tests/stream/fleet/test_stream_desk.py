"""Order, ledger and slots of one stream, whatever order its outcomes come in."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import ManualClock
from stream.errors import LossCause, PoseError
from stream.fleet.messages import FrameReady, PassedFrames, SegmentMade
from stream.fleet.segment import Segment, SegmentError, picture_bytes
from stream.fleet.shared_segment import SharedSegment
from stream.fleet.stream_desk import DeskTools, StreamDesk
from stream.fleet.stream_machine import NextStep, StreamState
from stream.fleet.ticket import Ticket
from stream.frame import FrameResult, Outcome
from stream.metrics import Metrics, new_registry
from stream.metrics_observer import MetricsObserver
from stream.picture import black_picture
from stream.pose import Pose
from tests.run_parts import CountingTracker
from tests.running_fleet import KeptResults, plan_of

SLOTS = 8
WIDTH, HEIGHT = 16, 8
PERSON = Pose(np.zeros((17, 2), np.float32), np.full(17, 0.5, np.float32), 0.5)
OUTCOMES = [Outcome.INFERRED, Outcome.DROPPED, Outcome.FAILED, Outcome.SKIPPED]


class DeafProcess:
    """Takes what it is sent."""

    def __init__(self) -> None:
        self.sent: list[object] = []

    def send(self, message: object) -> None:
        self.sent.append(message)


class Desk:
    """A desk with memory that a decoder would own."""

    def __init__(self) -> None:
        self.sink, self.process = KeptResults(), DeafProcess()
        self.clock, self.states = ManualClock(), list[StreamState]()
        self.registry = new_registry()
        metrics = Metrics(self.registry, "test")
        observer = MetricsObserver(metrics, "cam", 4, self.clock)
        self.tracked_models: list[str] = []
        tools = DeskTools(self.clock, self._tracker, lambda _, s: self.states.append(s.state))
        self.desk = StreamDesk(plan_of("cam", "rtsp://h/p"), self.sink, observer, tools)
        self.desk.resume()
        own = Segment(SLOTS, picture_bytes(WIDTH, HEIGHT))
        made = SegmentMade(stream="cam", run=0, segment=0, slots=SLOTS, slot_bytes=own.slot_bytes)
        self.segment = SharedSegment(1, made, own.fd, self.process)  # type: ignore[arg-type]
        for slot in range(SLOTS):
            own.write(slot, slot, black_picture(WIDTH, HEIGHT))
        own.close_fd()

    def _tracker(self, model: str) -> CountingTracker:
        self.tracked_models.append(model)
        return CountingTracker()

    def take(self, index: int, epoch: int = 0) -> Ticket:
        slot = index % SLOTS
        ready = FrameReady(
            stream="cam", run=0, epoch=epoch, index=index, pts_seconds=index / 25,
            capture_seconds=1.0, read_seconds=0.0, segment=0, slot=slot, generation=slot,
            width=WIDTH, height=HEIGHT, colour_space="BT709", full_range=False,
        )  # fmt: skip
        self.segment.take(slot)
        return self.desk.take(ready, self.segment)

    @property
    def slots_out(self) -> int:
        return len(self.segment._out)


@contextmanager
def a_desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.desk.finish()
    assert desk.sink.is_closed
    assert desk.desk.ledger.in_flight == 0


@given(
    st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=SLOTS),
    st.randoms(use_true_random=False),
)
def test_results_leave_in_order_and_every_slot_but_the_shown_one_is_given_back(
    outcomes: list[Outcome], random: Random
) -> None:
    order = list(range(len(outcomes)))
    random.shuffle(order)
    with a_desk() as kept:
        tickets = [kept.take(index) for index in range(len(outcomes))]
        for index in order:
            ledger = kept.desk.ledger
            assert ledger.read == len(outcomes)
            assert ledger.in_flight == ledger.read - len(kept.sink.results)
            people = (PERSON,) if outcomes[index] is Outcome.INFERRED else ()
            tickets[index].settle(outcomes[index], people)
        assert [r.frame.index for r in kept.sink.results] == list(range(len(outcomes)))
        assert [r.outcome for r in kept.sink.results] == outcomes
        assert kept.slots_out == (1 if Outcome.INFERRED in outcomes else 0)
        newest = max((i for i, o in enumerate(outcomes) if o is Outcome.INFERRED), default=None)
        shown = kept.desk.snapshot
        assert (shown.frame.index if shown else None) == newest
    assert kept.slots_out == 0


def test_frames_that_the_engine_still_has_at_the_end_are_skipped_and_freed_later() -> None:
    with a_desk() as kept:
        first, second = kept.take(0), kept.take(1)
        second.settle(Outcome.INFERRED, (PERSON,))
    assert [r.outcome for r in kept.sink.results] == [Outcome.SKIPPED, Outcome.INFERRED]
    assert kept.slots_out == 1
    first.settle(Outcome.INFERRED, (PERSON,))
    assert kept.slots_out == 0
    assert len(kept.sink.results) == 2


def test_every_epoch_has_a_tracker_of_its_own() -> None:
    with a_desk() as kept:
        for epoch in (0, 0, 1):
            kept.take(epoch * 2 + len(kept.sink.results), epoch).settle(Outcome.INFERRED, (PERSON,))
        assert [r.poses[0].track for r in kept.sink.results] == [1, 2, 1]
        assert kept.tracked_models == ["made_up", "made_up"]


def test_people_that_no_reader_could_understand_fail_the_frame() -> None:
    with a_desk() as kept:
        publish = kept.sink.publish

        def refuse_people(result: FrameResult) -> None:
            if result.poses:
                raise PoseError("no reader could make sense of it")
            publish(result)

        kept.sink.publish = refuse_people  # type: ignore[method-assign]
        kept.take(0).settle(Outcome.INFERRED, (PERSON,))
        assert [r.outcome for r in kept.sink.results] == [Outcome.FAILED]
        assert kept.desk.ledger.outcomes[Outcome.FAILED] == 1
        assert kept.slots_out == 0


def test_what_decoders_pass_is_read_and_counted_at_once() -> None:
    with a_desk() as kept:
        kept.desk.passed(PassedFrames(stream="cam", run=0, skipped=5, corrupt=2, dropped=1))
        kept.desk.skip()
        ledger = kept.desk.ledger
        assert (ledger.read, ledger.in_flight) == (9, 0)
        assert ledger.outcomes[Outcome.SKIPPED] == 6
        assert kept.states == [StreamState.CONNECTING, StreamState.LIVE]


def test_pictures_that_were_fetched_from_a_gpu_or_shared_are_counted() -> None:
    with a_desk() as kept:
        kept.desk.passed(PassedFrames(stream="cam", run=0, fetched=3, fetched_bytes=900))
        kept.take(0).settle(Outcome.SKIPPED, ())
        found = {
            step: kept.registry.get_sample_value("posestream_pixel_copies_total", {"step": step})
            for step in ("fetch", "share")
        }
        assert found == {"fetch": 3, "share": 1}


def test_losses_are_counted_by_cause_and_told() -> None:
    with a_desk() as kept:
        kept.desk.lost(LossCause.TIMEOUT, "no answer in time")
        assert kept.desk.reconnects == 1
        assert kept.desk.last_loss == "no answer in time"
        kept.clock.advance(1.0)
        assert kept.desk.tick() is NextStep.OPEN


def test_a_decoder_that_gives_away_a_slot_twice_is_refused() -> None:
    with a_desk() as kept:
        ticket = kept.take(0)
        for slot in (0, SLOTS, -1):
            with pytest.raises(SegmentError, match="was not the decoder's to give"):
                kept.segment.take(slot)
        ticket.settle(Outcome.DROPPED, ())
        kept.segment.take(0)
        kept.segment.give_back(0)
