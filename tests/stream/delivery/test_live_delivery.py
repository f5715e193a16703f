"""Whole deliveries on their threads: real servers, real files, streams that never wait."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from prometheus_client import generate_latest

from stream.clock import SystemClock
from stream.delivery.courier import Courier
from stream.delivery.live_delivery import LiveDelivery
from stream.delivery.memory_target import MemoryTarget
from stream.delivery.open_delivery import JsonlPlan, RedisPlan, SinkPlan, open_delivery
from stream.delivery.record import Message
from stream.delivery.spool import LEAST_BYTES, SpoolLimits
from stream.errors import SinkError
from stream.metrics import Metrics, new_registry
from stream.sinks.redis_address import parse_redis_address
from tests.redis_server import RedisServer
from tests.results import result_of
from tests.stream.delivery.arrivals import accounted, told

ENOUGH_SECONDS = 20.0
"""For what another thread must do; reached only if a test fails."""
CLOCK = SystemClock()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = CLOCK.monotonic() + ENOUGH_SECONDS
    pause = Event()
    while not condition():
        assert CLOCK.monotonic() < deadline, "waited in vain"
        pause.wait(0.01)


@pytest.fixture
def server(redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(redis_program, folder=tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture
def at_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def redis_plan(server: RedisServer, max_bytes: int = 1 << 26) -> RedisPlan:
    return RedisPlan("redis", parse_redis_address(server.location()), SpoolLimits(max_bytes))


def lines(server: RedisServer, stream: str = "clip") -> list[str]:
    return [line for _, fields in server.entries(stream) for line in fields.values()]


def test_every_sink_gets_every_result(
    server: RedisServer, tmp_path: Path, at_the_end: ExitStack
) -> None:
    registry = new_registry()
    plans: list[SinkPlan] = [redis_plan(server), JsonlPlan("files", tmp_path / "files")]
    delivery = open_delivery(plans, tmp_path / "spool", CLOCK, Metrics(registry, "1"))
    at_the_end.callback(delivery.close)
    sinks = [delivery.open_stream(stream) for stream in ("a", "b")]
    for index in range(100):
        for sink, stream in zip(sinks, "ab", strict=True):
            sink.publish(result_of(index, stream=stream))
    assert delivery.close()

    assert told(lines(server, "a")) == told(lines(server, "b")) == list(range(100))
    [file] = (tmp_path / "files").iterdir()
    both = [line for line in file.read_text("ascii").splitlines() if '"stream":"b"' in line]
    assert told(both) == list(range(100))
    page = generate_latest(registry).decode()
    assert 'posestream_sink_messages_total{outcome="acked",sink="redis"} 200.0' in page
    assert 'posestream_sink_messages_total{outcome="acked",sink="files"} 200.0' in page
    assert 'posestream_sink_up{sink="redis"} 1.0' in page


def test_a_server_that_is_killed_and_started_again_gets_everything_once(
    server: RedisServer, tmp_path: Path, at_the_end: ExitStack
) -> None:
    delivery = open_delivery([redis_plan(server)], tmp_path / "spool", CLOCK)
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    index = 0
    for _ in range(4):
        for _ in range(300):  # the crash comes while these are being written
            sink.publish(result_of(index))
            index += 1
        server.kill()
        for _ in range(300):
            sink.publish(result_of(index))
            index += 1
        wait_until(lambda: delivery.states[0].is_away)
        server.start()
        wait_until(lambda: delivery.states[0].counts.held == 0)
    assert told(lines(server)) == list(range(index))
    counts = delivery.counts()["redis"]["clip"]
    assert counts.taken == counts.acked + counts.replayed == index
    assert counts.gap == 0
    assert counts.spooled >= 4


def test_a_server_that_hangs_gets_everything_once(
    server: RedisServer, tmp_path: Path, at_the_end: ExitStack
) -> None:
    delivery = open_delivery([redis_plan(server)], tmp_path / "spool", CLOCK)
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    sink.publish(result_of(0))
    wait_until(lambda: delivery.states[0].counts.acked == 1)
    server.freeze()
    for index in range(1, 200):
        sink.publish(result_of(index))
    wait_until(lambda: delivery.states[0].is_away)
    server.thaw()
    for index in range(200, 300):
        sink.publish(result_of(index))
    wait_until(lambda: delivery.states[0].counts.held == 0)
    assert told(lines(server)) == list(range(300))


def test_what_the_spool_has_no_room_for_is_a_gap_that_counts_exactly(
    server: RedisServer, tmp_path: Path, at_the_end: ExitStack
) -> None:
    delivery = open_delivery([redis_plan(server, LEAST_BYTES)], tmp_path / "spool", CLOCK)
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    server.kill()
    for index in range(2000):
        sink.publish(result_of(index))
        if index % 500 == 0:
            wait_until(lambda: delivery.states[0].is_away)
    server.start()
    wait_until(lambda: delivery.states[0].counts.held == 0)

    arrived = lines(server)
    assert accounted(arrived) == 2000
    gaps = [int(one) for one in told(arrived) if isinstance(one, str)]
    assert sum(gaps) == delivery.counts()["redis"]["clip"].gap > 0
    assert told(arrived)[0] == 0
    assert told(arrived)[-1] == 1999


def test_the_next_process_delivers_what_this_one_could_not(
    server: RedisServer, tmp_path: Path, at_the_end: ExitStack
) -> None:
    first = open_delivery([redis_plan(server)], tmp_path / "spool", CLOCK)
    at_the_end.callback(first.close)
    sink = first.open_stream("clip")
    server.kill()
    for index in range(50):
        sink.publish(result_of(index))
    assert first.close()
    server.start()

    second = open_delivery([redis_plan(server)], tmp_path / "spool", CLOCK)
    at_the_end.callback(second.close)
    sink = second.open_stream("clip")
    for index in range(50, 60):
        sink.publish(result_of(index))
    assert second.close()
    assert told(lines(server)) == list(range(60))


class StuckTarget(MemoryTarget):
    """Takes nothing and does not return until told."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = Event()

    def deliver(self, stream: str, messages: object) -> None:
        self.let_go.wait()


def test_a_stuck_sink_holds_neither_the_stream_nor_the_other_sinks(at_the_end: ExitStack) -> None:
    stuck, fine = StuckTarget(), MemoryTarget()
    couriers = [Courier("stuck", stuck, CLOCK, queue_size=10), Courier("fine", fine, CLOCK)]
    delivery = LiveDelivery(couriers)
    at_the_end.callback(delivery.close)
    at_the_end.callback(stuck.let_go.set)
    sink = delivery.open_stream("clip")
    for index in range(500):
        sink.publish(result_of(index))
    wait_until(lambda: delivery.states[1].counts.acked == 500)
    assert delivery.states[0].counts.gap >= 500 - 10 - stuck.chunk
    assert told(message.line for message in fine.received["clip"]) == list(range(500))


def test_a_sink_that_does_not_come_back_is_left_to_itself_when_all_ends(
    at_the_end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.delivery.live_delivery.GRACE_SECONDS", 0.1)
    stuck = StuckTarget()
    delivery = LiveDelivery([Courier("stuck", stuck, CLOCK)])
    at_the_end.callback(stuck.let_go.set)
    delivery.open_stream("clip").publish(result_of(0))
    assert not delivery.close(0.1)


class BrokenTarget(MemoryTarget):
    """Has a bug."""

    def deliver(self, stream: str, messages: object) -> None:
        raise ZeroDivisionError


def test_a_bug_in_a_sink_ends_that_sink_out_loud_and_no_other(
    at_the_end: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    fine = MemoryTarget()
    delivery = LiveDelivery(
        [Courier("broken", BrokenTarget(), CLOCK), Courier("fine", fine, CLOCK)]
    )
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    for index in range(10):
        sink.publish(result_of(index))
    wait_until(lambda: len(fine.received["clip"]) == 10)
    wait_until(lambda: not delivery.is_alive)
    assert "thread_failed" in caplog.messages


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_after_its_end_a_stream_takes_nothing(end: str, at_the_end: ExitStack) -> None:
    target = MemoryTarget()
    delivery = LiveDelivery([Courier("memory", target, CLOCK)])
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    sink.publish(result_of(0))
    getattr(sink, end)()
    getattr(sink, end)()
    with pytest.raises(SinkError, match="closed and takes no more results"):
        sink.publish(result_of(1))
    wait_until(lambda: target.forgotten == ["clip"])
    again = delivery.open_stream("clip")
    again.publish(result_of(1))
    wait_until(lambda: len(target.received["clip"]) == 2)


def test_if_one_sink_cannot_open_a_stream_none_does(tmp_path: Path, at_the_end: ExitStack) -> None:
    one, two = MemoryTarget(), MemoryTarget()
    couriers = [Courier("one", one, CLOCK), Courier("two", two, CLOCK)]
    delivery = LiveDelivery(couriers)
    at_the_end.callback(delivery.close)
    couriers[1].open_lane("clip")
    with pytest.raises(ValueError, match="open already"):
        delivery.open_stream("clip")
    wait_until(lambda: one.forgotten == ["clip"])


def test_the_ids_of_a_stream_follow_from_its_frames(at_the_end: ExitStack) -> None:
    target = MemoryTarget()
    delivery = LiveDelivery([Courier("memory", target, CLOCK)])
    at_the_end.callback(delivery.close)
    sink = delivery.open_stream("clip")
    for epoch, index, capture in ((0, 7, 2.0), (0, 8, 1.0), (1, 0, 3.0)):
        sink.publish(result_of(index, epoch=epoch, capture_seconds=capture))
    sink.close()
    wait_until(lambda: target.forgotten == ["clip"])
    received: list[Message] = target.received["clip"]
    assert [message.id for message in received] == [(2000, 7), (2000, 8), (3000, 1 << 40)]
