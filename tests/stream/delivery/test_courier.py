import itertools
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.delivery.courier import Courier, SinkState
from stream.delivery.entry_id import NO_ENTRY
from stream.delivery.lane import Lane
from stream.delivery.memory_target import MemoryTarget
from stream.delivery.record import record_of
from stream.delivery.retry_pace import MOST_SECONDS
from stream.delivery.spool_folder import SpoolFolder
from stream.errors import ConfigError, SinkAwayError, SinkError
from tests.results import CAPTURE_SECONDS, result_of
from tests.stream.delivery.arrivals import told

AWAY = SinkAwayError("nobody at home")


def offer(lane: Lane, *frames: int) -> None:
    for frame in frames:
        lane.offer(record_of(result_of(frame, stream=lane.stream), NO_ENTRY))


def arrived(target: MemoryTarget, stream: str = "a") -> list[int | str]:
    return told(message.line for message in target.received[stream])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall=CAPTURE_SECONDS)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget(chunk=2)


@pytest.fixture
def courier(target: MemoryTarget, clock: ManualClock, tmp_path: Path) -> Courier:
    return Courier("memory", target, clock, spools=SpoolFolder(tmp_path / "spool"))


def test_every_stream_gets_its_turn(courier: Courier, target: MemoryTarget) -> None:
    busy, quiet = courier.open_lane("a"), courier.open_lane("b")
    offer(busy, *range(10))
    offer(quiet, 0)
    courier.turn()
    assert (arrived(target, "a"), arrived(target, "b")) == ([0, 1], [0])


def test_a_sink_that_is_away_is_left_alone_for_longer_and_longer(
    courier: Courier, target: MemoryTarget, clock: ManualClock
) -> None:
    lane = courier.open_lane("a")
    offer(lane, 0)
    target.refusal = AWAY
    attempts = []
    deliver = target.deliver

    def counted(stream: str, messages: object) -> None:
        attempts.append(clock.monotonic())
        deliver(stream, messages)  # type: ignore[arg-type]

    target.deliver = counted  # type: ignore[method-assign]
    for _ in range(600):
        courier.turn()
        clock.advance(0.05)
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert pauses[0] == pytest.approx(0.1, abs=0.06)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(MOST_SECONDS, abs=0.06)
    assert courier.state.is_away
    assert courier.state.cause == "nobody at home"


def test_a_sink_that_is_away_is_away_for_everybody_and_back_for_everybody(
    courier: Courier, target: MemoryTarget, clock: ManualClock
) -> None:
    lanes = [courier.open_lane(stream) for stream in "ab"]
    target.refusal = AWAY
    for lane in lanes:
        offer(lane, 0, 1, 2)
    courier.turn()
    assert [lane.counts.spooled for lane in lanes] == [3, 3]
    target.refusal = None
    clock.advance(MOST_SECONDS)
    for _ in range(4):
        courier.turn()
    assert arrived(target, "a") == arrived(target, "b") == [0, 1, 2]
    assert not courier.state.is_away
    assert courier.state.counts.replayed == 6


def test_a_stream_that_is_refused_does_not_hold_the_others(
    courier: Courier, target: MemoryTarget
) -> None:
    refused, fine = courier.open_lane("a"), courier.open_lane("b")
    deliver = target.deliver

    def picky(stream: str, messages: object) -> None:
        if stream == "a":
            raise SinkError("not this one")
        deliver(stream, messages)  # type: ignore[arg-type]

    target.deliver = picky  # type: ignore[method-assign]
    offer(refused, 0)
    offer(fine, 0)
    courier.turn()
    assert arrived(target, "b") == [0]
    assert refused.counts.held == 1
    assert not courier.state.is_away


def test_what_another_process_left_is_delivered_though_nobody_opens_the_stream(
    target: MemoryTarget, clock: ManualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    first = Courier("memory", target, clock, spools=SpoolFolder(folder))
    target.refusal = AWAY
    offer(first.open_lane("../a b/%"), 0, 1, 2)
    first.turn()
    first.stop(0)
    first.run()
    target.refusal = None

    second = Courier("memory", target, clock, spools=SpoolFolder(folder))
    for _ in range(3):
        second.turn()

    assert arrived(target, "../a b/%") == [0, 1, 2]
    assert target.forgotten == ["../a b/%"]
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_stream_that_comes_back_goes_on_behind_what_waits(
    courier: Courier, target: MemoryTarget, clock: ManualClock
) -> None:
    target.refusal = AWAY
    lane = courier.open_lane("a")
    offer(lane, 0)
    courier.turn()
    lane.shut()
    courier.turn()
    again = courier.open_lane("a")
    offer(again, 1)
    target.refusal = None
    clock.advance(1)
    courier.turn()
    assert arrived(target) == [0, 1]


def test_a_stream_cannot_be_written_twice_at_once(courier: Courier) -> None:
    courier.open_lane("a")
    with pytest.raises(ConfigError, match="stream a is open already"):
        courier.open_lane("a")


def test_streams_that_ended_leave_nothing_behind_but_their_counts(
    target: MemoryTarget, clock: ManualClock
) -> None:
    courier = Courier("memory", target, clock)
    for number in range(2_000):
        lane = courier.open_lane(f"s{number}")
        offer(lane, 0)
        lane.shut()
        courier.turn()
        courier.turn()
    assert courier.counts() == {}
    assert len(target.forgotten) == 2_000
    assert courier.state.counts.acked == 2_000


def test_two_processes_cannot_use_one_spool(courier: Courier, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="another process uses it"):
        SpoolFolder(tmp_path / "spool")


def test_a_name_too_long_for_a_folder_is_refused(courier: Courier) -> None:
    with pytest.raises(ConfigError, match="too long for a spool"):
        courier.open_lane("é" * 50)


def test_the_state_tells_age_and_size_of_what_waits(
    target: MemoryTarget, clock: ManualClock, tmp_path: Path
) -> None:
    told_states: list[SinkState] = []
    courier = Courier(
        "memory", target, clock, spools=SpoolFolder(tmp_path), tell=told_states.append
    )
    lane = courier.open_lane("a")
    offer(lane, 0, 1)
    courier.turn()
    target.refusal = AWAY
    offer(lane, 2)
    clock.advance(10)
    courier.turn()
    assert told_states[-1].spool_bytes > 100
    assert told_states[-1].lag_seconds == pytest.approx(10, abs=0.1)
    assert told_states[-1].counts.held == 1


def test_stopping_delivers_what_is_there(courier: Courier, target: MemoryTarget) -> None:
    offer(courier.open_lane("a"), *range(9))
    courier.stop(5)
    courier.run()
    assert arrived(target) == list(range(9))
    assert target.is_closed


def test_stopping_while_the_sink_is_away_stores_what_is_there(
    courier: Courier, target: MemoryTarget, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target.refusal = AWAY
    offer(courier.open_lane("a"), *range(9))
    courier.stop(5)
    courier.run()
    [record] = [one for one in caplog.records if one.message == "results_not_delivered"]
    assert record.__dict__["results_stored"] == 9
    spools = SpoolFolder(tmp_path / "spool")
    assert spools.open("a").waiting == 9
