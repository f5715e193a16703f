from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stream.delivery.entry_id import NO_ENTRY
from stream.delivery.lane import Lane, LaneCounts
from stream.delivery.memory_target import MemoryTarget
from stream.delivery.record import record_of
from stream.delivery.spool import LEAST_BYTES, Spool, SpoolLimits
from stream.errors import SinkAwayError, SinkError
from tests.results import result_of
from tests.stream.delivery.arrivals import accounted, told

AWAY = SinkAwayError("away")


def offer(lane: Lane, *frames: int) -> None:
    for frame in frames:
        lane.offer(record_of(result_of(frame), NO_ENTRY))


def lines(target: MemoryTarget) -> list[str]:
    return [message.line for message in target.received["clip"]]


def deliver_all(lane: Lane, target: MemoryTarget) -> None:
    while not lane.is_idle:
        lane.deliver(target)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget(chunk=4)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "s", SpoolLimits(LEAST_BYTES))


def test_records_go_straight_to_a_sink_that_takes_them(target: MemoryTarget, spool: Spool) -> None:
    lane = Lane("clip", spool)
    offer(lane, *range(10))
    lane.deliver(target)
    assert told(lines(target)) == [0, 1, 2, 3], "one chunk a turn"
    deliver_all(lane, target)
    assert told(lines(target)) == list(range(10))
    assert lane.counts == LaneCounts(taken=10, acked=10)
    assert spool.is_empty


def test_what_a_sink_that_is_away_did_not_take_goes_to_disk_and_comes_first_later(
    target: MemoryTarget, spool: Spool
) -> None:
    lane = Lane("clip", spool)
    offer(lane, 0, 1, 2, 3, 4)
    target.refusal = AWAY
    with pytest.raises(SinkAwayError):
        lane.deliver(target)
    lane.store()
    offer(lane, 5, 6)
    target.refusal = None
    deliver_all(lane, target)
    assert told(lines(target)) == list(range(7))
    assert lane.counts == LaneCounts(taken=7, spooled=7, replayed=7)


def test_a_lost_confirmation_doubles_nothing(target: MemoryTarget, spool: Spool) -> None:
    lane = Lane("clip", spool)
    offer(lane, *range(6))
    target.refusal, target.takes_before_refusing = AWAY, True
    with pytest.raises(SinkError):
        lane.deliver(target)
    lane.store()
    target.refusal = None
    deliver_all(lane, target)
    assert told(lines(target)) == list(range(6))


def test_an_overflown_queue_leaves_a_gap_that_counts(target: MemoryTarget) -> None:
    lane = Lane("clip", None, queue_size=3)
    offer(lane, 0)
    deliver_all(lane, target)
    offer(lane, *range(1, 9))
    deliver_all(lane, target)
    assert told(lines(target)) == [0, "+5", 6, 7, 8]
    assert lane.counts == LaneCounts(taken=9, acked=4, gap=5)


def test_a_gap_names_its_neighbours(target: MemoryTarget) -> None:
    lane = Lane("clip", None, queue_size=1)
    offer(lane, 0)
    deliver_all(lane, target)
    offer(lane, 1, 2, 3)
    deliver_all(lane, target)
    assert lines(target)[1] == (
        '{"schema":1,"gap":2,"stream":"clip",'
        '"after":{"epoch":0,"frame":0,"captured_ms":1700000000000},'
        '"before":{"epoch":0,"frame":3,"captured_ms":1700000000120}}'
    )


def test_a_gap_before_the_first_result_has_nothing_before_it(target: MemoryTarget) -> None:
    lane = Lane("clip", None, queue_size=1)
    offer(lane, 0, 1, 2)
    deliver_all(lane, target)
    assert lines(target)[0].startswith('{"schema":1,"gap":2,"stream":"clip","after":null,')
    assert target.received["clip"][0].id < target.received["clip"][1].id


def test_a_gap_at_the_end_is_told_when_the_stream_is_closed(
    target: MemoryTarget, spool: Spool
) -> None:
    lane = Lane("clip", spool)
    offer(lane, 0, 1)
    lane.store()
    lane.offer(record_of(result_of(2, stream="x" * LEAST_BYTES), NO_ENTRY))
    lane.store()
    deliver_all(lane, target)
    assert told(lines(target)) == [0, 1]
    lane.shut()
    deliver_all(lane, target)
    assert told(lines(target)) == [0, 1, "+1"]
    assert lane.counts.held == 0


@pytest.fixture
def after_a_kill(target: MemoryTarget, tmp_path: Path) -> Lane:
    """A lane whose spool is empty and does not know that frame 1 went straight to the sink."""
    first = Lane("clip", Spool(tmp_path / "s", SpoolLimits(LEAST_BYTES)))
    offer(first, 0)
    first.store()
    deliver_all(first, target)
    offer(first, 1)
    deliver_all(first, target)
    return Lane("clip", Spool(tmp_path / "s", SpoolLimits(LEAST_BYTES)), queue_size=2)


def test_a_gap_arrives_though_the_killed_process_had_delivered_past_its_spool(
    target: MemoryTarget, after_a_kill: Lane
) -> None:
    offer(after_a_kill, 2, 3, 4)
    deliver_all(after_a_kill, target)
    assert told(lines(target)) == [0, 1, "+1", 3, 4]
    assert '"after":null' in lines(target)[2], "frame 0, of which the spool knows, is not the last"


def test_a_last_gap_arrives_though_the_killed_process_had_delivered_past_its_spool(
    target: MemoryTarget, after_a_kill: Lane
) -> None:
    after_a_kill.offer(record_of(result_of(2, stream="x" * LEAST_BYTES), NO_ENTRY))
    after_a_kill.store()
    after_a_kill.shut()
    deliver_all(after_a_kill, target)
    assert told(lines(target)) == [0, 1, "+1"]


def test_a_lane_that_opens_again_knows_the_last_id(target: MemoryTarget) -> None:
    lane = Lane("clip", None)
    offer(lane, 7)
    deliver_all(lane, target)
    lane.shut()
    lane.open()
    assert lane.last_id == target.received["clip"][-1].id


def test_a_lane_without_a_spool_tells_what_its_end_costs(target: MemoryTarget) -> None:
    lane = Lane("clip", None)
    offer(lane, 0, 1, 2)
    target.refusal = AWAY
    with pytest.raises(SinkError):
        lane.deliver(target)
    lane.close()
    assert lane.counts == LaneCounts(taken=3, gap=3)


class AnyHistory(RuleBasedStateMachine):
    """A stream with a spool whose sink comes and goes, and whose process is killed now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = TemporaryDirectory()
        self.target = MemoryTarget(chunk=3)
        self.last = NO_ENTRY
        self.frame = 0
        self.open()

    def open(self) -> None:
        self.spool = Spool(Path(self.temporary.name) / "s", SpoolLimits(LEAST_BYTES))
        self.lane = Lane("clip", self.spool, queue_size=50)

    @rule(count=st.integers(1, 120))
    def frames_come(self, count: int) -> None:
        for _ in range(count):
            record = record_of(result_of(self.frame), self.last)
            self.last = record.id
            self.lane.offer(record)
            self.frame += 1

    @rule(times=st.integers(1, 30))
    def the_sink_takes(self, times: int) -> None:
        self.target.refusal = None
        for _ in range(times):
            self.lane.deliver(self.target)

    @rule(arrives=st.booleans())
    def the_sink_fails(self, arrives: bool) -> None:
        self.target.refusal, self.target.takes_before_refusing = AWAY, arrives
        if not self.lane.is_idle:
            with_error = False
            try:
                self.lane.deliver(self.target)
            except SinkError:
                with_error = True
            assert with_error or self.lane.is_idle or self.spool.waiting == 0
        self.lane.store()

    @rule()
    def the_process_ends_in_good_order(self) -> None:
        self.lane.close()
        self.open()

    @rule()
    def the_process_is_killed_with_all_on_disk(self) -> None:
        self.lane.store()
        self.open()

    @invariant()
    def nothing_is_doubled_or_out_of_turn(self) -> None:
        assert accounted(lines(self.target)) <= self.frame

    def teardown(self) -> None:
        self.target.refusal = None
        self.lane.shut()
        deliver_all(self.lane, self.target)
        self.temporary.cleanup()
        assert accounted(lines(self.target)) == self.frame, "every result arrived or is in a gap"


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
