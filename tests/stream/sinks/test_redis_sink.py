import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import ManualClock
from stream.delivery.entry_id import next_id
from stream.errors import SinkError
from stream.sinks.redis_address import parse_redis_address
from stream.sinks.redis_sink import AT_ONCE, PENDING_LIMIT, BatchRule, RedisSink
from stream.wire import encode
from tests.redis_server import RedisServer
from tests.results import CAPTURE_SECONDS, result_of, standing_person

MILLISECONDS = round(CAPTURE_SECONDS * 1000)


@pytest.fixture
def mortal_server(redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, whose entries outlive it."""
    server = RedisServer(redis_program, folder=tmp_path)
    yield server
    server.kill()


@pytest.fixture
def locked_server(redis_program: Path) -> Iterator[Callable[[str], RedisServer]]:
    """Starts a server with a password."""
    with ExitStack() as at_the_end:

        def start(password: str) -> RedisServer:
            server = RedisServer(redis_program, password)
            at_the_end.callback(server.kill)
            return server

        yield start


def open_sink(
    server: RedisServer,
    clock: ManualClock | None = None,
    rule: BatchRule | None = None,
    **options: object,
) -> RedisSink:
    address = parse_redis_address(server.location(**options))  # type: ignore[arg-type]
    return RedisSink(address, clock or ManualClock(), rule)


def test_an_entry_has_the_line_and_an_id_from_the_frame(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    results = [result_of(index, standing_person(), stream=tmp_path.name) for index in (7, 8)]
    sink = open_sink(redis_server)
    for result in results:
        sink.publish(result)
    sink.close()
    assert redis_server.entries(tmp_path.name) == [
        (f"{MILLISECONDS + 40 * index}-{index}", {"result": encode(result)})
        for index, result in zip((7, 8), results, strict=True)
    ]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**39), st.floats(-1.0, 4e9)), max_size=50)
)
def test_ids_always_rise_whatever_the_clock_does(frames: list[tuple[int, int, float]]) -> None:
    last = (0, 0)
    for epoch, index, capture_seconds in frames:
        result = result_of(index, epoch=epoch, capture_seconds=capture_seconds)
        following = next_id(result.frame, last)
        assert following > last
        assert max(following) < 2**64
        last = following


def test_frames_of_one_millisecond_and_of_new_epochs_have_ids_of_their_own() -> None:
    frames = [(0, 5), (0, 6), (1, 0), (1, 1)]
    found = [
        next_id(result_of(index, epoch=epoch, capture_seconds=1.0).frame, (0, 0))
        for epoch, index in frames
    ]
    assert found == sorted(set(found))
    assert found[:2] == [(1000, 5), (1000, 6)]


def test_quick_results_share_a_round_trip_and_slow_ones_do_not_wait(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    clock = ManualClock()
    rule = BatchRule(size=4, wait_seconds=0.1)
    sink = open_sink(redis_server, clock, rule, stream=tmp_path.name)
    arrived = []
    for index in range(8):
        sink.publish(result_of(index))
        arrived.append(len(redis_server.results(tmp_path.name)))
    assert arrived == [1, 1, 1, 1, 5, 5, 5, 5]
    clock.advance(0.1)
    sink.publish(result_of(8))
    assert len(redis_server.results(tmp_path.name)) == 9
    sink.close()


def test_the_server_forgets_old_results_but_keeps_as_many_as_asked_for(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    sink = open_sink(redis_server, stream=tmp_path.name, maxlen=20)
    for index in range(500):
        sink.publish(result_of(index, standing_person()))
    sink.close()
    kept = redis_server.results(tmp_path.name)
    assert 20 <= len(kept) < 200
    assert kept[-1] == encode(result_of(499, standing_person()))


def test_after_a_crash_of_the_server_everything_arrives_once(mortal_server: RedisServer) -> None:
    sink = open_sink(mortal_server, rule=BatchRule(size=3, wait_seconds=60))
    for index in range(6):
        sink.publish(result_of(index))
    assert len(mortal_server.results("clip")) == 4
    mortal_server.kill()
    with pytest.raises(SinkError, match=r"not accepted: .*refused.*3 are pending"):
        sink.publish(result_of(6))
    mortal_server.start()
    sink.publish(result_of(6))
    sink.publish(result_of(7))
    sink.close()
    assert mortal_server.results("clip") == [encode(result_of(n)) for n in range(8)]


def test_results_whose_confirmation_never_came_are_not_doubled(mortal_server: RedisServer) -> None:
    sink = open_sink(mortal_server, rule=BatchRule(size=3, wait_seconds=60))
    for index in range(3):
        sink.publish(result_of(index))
    mortal_server.freeze()
    with pytest.raises(SinkError, match=r"not accepted: .*[Tt]imeout"):
        sink.publish(result_of(3))
    mortal_server.thaw()
    for index in range(4, 8):
        sink.publish(result_of(index))
    sink.close()
    assert mortal_server.results("clip") == [encode(result_of(n)) for n in range(8)]


def test_a_second_run_over_the_same_frames_adds_only_what_is_missing(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    delivered = open_sink(redis_server, stream=tmp_path.name)
    for index in range(40):
        delivered.publish(result_of(index))
    delivered.close()
    retry = open_sink(redis_server, stream=tmp_path.name)
    for index in range(45):
        retry.publish(result_of(index))
    retry.close()
    assert redis_server.results(tmp_path.name) == [encode(result_of(n)) for n in range(45)]


def test_the_entry_of_somebody_else_is_not_taken_for_ours(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with redis_server.client() as client:
        client.xadd(f"posestream:{tmp_path.name}", {"result": "other"}, id=f"{MILLISECONDS}-0")
    sink = open_sink(redis_server, stream=tmp_path.name)
    with pytest.raises(SinkError, match="another program writes there or the clock"):
        sink.publish(result_of(0))
    sink.abandon()
    assert redis_server.results(tmp_path.name) == ["other"]


def test_a_key_of_another_type_is_named(redis_server: RedisServer, tmp_path: Path) -> None:
    with redis_server.client() as client:
        client.set(f"posestream:{tmp_path.name}", "text")
    sink = open_sink(redis_server, stream=tmp_path.name)
    with pytest.raises(SinkError, match=r"redis://127.*WRONGTYPE"):
        sink.publish(result_of(0))
    sink.abandon()


def test_a_server_without_memory_takes_all_of_a_batch_or_nothing(
    mortal_server: RedisServer,
) -> None:
    sink = open_sink(mortal_server, rule=BatchRule(size=10, wait_seconds=60))
    sink.publish(result_of(0))
    for index in range(1, 10):
        sink.publish(result_of(index))
    with mortal_server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(SinkError, match="used memory > 'maxmemory'"):
            sink.publish(result_of(10))
        client.config_set("maxmemory", 0)
    sink.close()
    assert mortal_server.results("clip") == [encode(result_of(n)) for n in range(11)]


def test_while_the_server_is_away_only_so_many_results_are_held(
    mortal_server: RedisServer,
) -> None:
    sink = open_sink(mortal_server, rule=AT_ONCE)
    mortal_server.kill()
    for index in range(PENDING_LIMIT + 10):
        with pytest.raises(SinkError, match="not accepted"):
            sink.publish(result_of(index))
    mortal_server.start()
    sink.close()
    assert len(mortal_server.results("clip")) == PENDING_LIMIT


def test_abandoning_without_a_server_says_how_many_results_are_lost(
    mortal_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    sink = open_sink(mortal_server, rule=BatchRule(size=50, wait_seconds=60))
    for index in range(10):
        sink.publish(result_of(index))
    mortal_server.kill()
    with caplog.at_level(logging.WARNING):
        sink.abandon()
    [record] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert (record.message, record.__dict__["results"]) == ("results_not_delivered", 9)


@pytest.mark.parametrize(
    "password", ["plain", "/ ? # @ % :", "a+b&c=d", "ü 密码", "%2F", '\' "quoted" \\']
)
def test_any_password_opens_the_door(
    locked_server: Callable[[str], RedisServer], password: str
) -> None:
    server = locked_server(password)
    sink = open_sink(server)
    sink.publish(result_of(0))
    sink.close()
    assert len(server.results("clip")) == 1


@pytest.mark.parametrize("given", ["wr/on?g#", ""])
def test_a_wrong_or_missing_password_is_refused_without_being_told(
    locked_server: Callable[[str], RedisServer], given: str
) -> None:
    address = parse_redis_address(locked_server("ri@ght:").location(password=given))
    with pytest.raises(SinkError, match="check user and password") as caught:
        RedisSink(address, ManualClock())
    chain = f"{caught.value} {caught.value.__cause__}"
    assert "wr/on?g#" not in chain
    assert "ri@ght" not in chain


def test_a_user_and_a_database_are_used(mortal_server: RedisServer) -> None:
    with mortal_server.client() as client:
        client.execute_command("ACL", "SETUSER", "ada", "on", ">p@ss", "~*", "+@all")
    location = f"redis://ada:p%40ss@127.0.0.1:{mortal_server.port}/5"
    sink = RedisSink(parse_redis_address(location), ManualClock())
    sink.publish(result_of(0))
    sink.close()
    with mortal_server.client() as client:
        client.select(5)
        assert client.xlen("posestream:clip") == 1
