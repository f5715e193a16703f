"""A real server on its bad days. The server remembers over a crash (append-only file)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.delivery.entry_id import NO_ENTRY, id_text
from stream.delivery.record import Cursor, Message, messages_of, record_of
from stream.delivery.redis_target import RedisTarget
from stream.errors import SinkAwayError, SinkError
from stream.sinks.redis_address import parse_redis_address
from tests.redis_server import RedisServer
from tests.results import CAPTURE_SECONDS, result_of
from tests.stream.delivery.arrivals import told
from tests.stream.delivery.records import record

MILLISECONDS = round(CAPTURE_SECONDS * 1000)


@pytest.fixture
def server(redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(redis_program, folder=tmp_path)
    yield server
    server.kill()


def target_of(server: RedisServer, timeout_seconds: float = 1.0, **options: object) -> RedisTarget:
    address = parse_redis_address(server.location(**options))  # type: ignore[arg-type]
    return RedisTarget(address, timeout_seconds)


@pytest.fixture
def target(server: RedisServer) -> Iterator[RedisTarget]:
    target = target_of(server)
    yield target
    target.close()


def messages(first: int, end: int) -> list[Message]:
    return [Message(one.id, one.line) for one in map(record, range(first, end))]


def arrived(server: RedisServer) -> list[int | str]:
    return told(line for _, fields in server.entries("clip") for line in fields.values())


def test_results_and_gaps_are_entries_with_fields_of_their_own(
    server: RedisServer, target: RedisTarget
) -> None:
    records = [record(1), record(4)]
    target.deliver("clip", messages_of("clip", Cursor(1), records))
    entries = server.entries("clip")
    assert [list(fields) for _, fields in entries] == [["result"], ["gap"], ["result"]]
    assert [entry for entry, _ in entries] == [
        f"{MILLISECONDS + 40}-1",
        f"{MILLISECONDS + 160}-3",
        f"{MILLISECONDS + 160}-4",
    ]
    assert arrived(server) == [1, "+2", 4]


def test_a_server_that_is_not_there_is_away_and_then_is_not(server: RedisServer) -> None:
    target = target_of(server)
    server.kill()
    with pytest.raises(SinkAwayError, match=r"redis://127.*start the server"):
        target.deliver("clip", messages(1, 4))
    server.start()
    target.deliver("clip", messages(1, 6))
    assert arrived(server) == [1, 2, 3, 4, 5]
    target.close()


def test_a_server_that_hangs_is_away_and_doubles_nothing_when_it_goes_on(
    server: RedisServer,
) -> None:
    target = target_of(server, timeout_seconds=0.2)
    target.deliver("clip", messages(1, 3))
    server.freeze()
    with pytest.raises(SinkAwayError, match=r"[Tt]imeout"):
        target.deliver("clip", messages(3, 9))  # arrives, but the answer does not come in time
    server.thaw()
    target.deliver("clip", messages(3, 12))
    assert arrived(server) == list(range(1, 12))
    target.close()


def test_another_process_that_repeats_what_arrived_doubles_nothing(
    server: RedisServer, target: RedisTarget
) -> None:
    records = [record(1), record(2), record(9)]
    target.deliver("clip", messages_of("clip", Cursor(1), records))
    again = target_of(server)
    again.deliver("clip", messages_of("clip", Cursor(1), [*records, record(10)]))
    assert arrived(server) == [1, 2, "+6", 9, 10]
    again.close()


def test_a_server_replaced_by_an_empty_one_gets_what_comes(
    server: RedisServer, target: RedisTarget
) -> None:
    target.deliver("clip", messages(1, 5))
    with server.client() as client:
        client.flushall()
    target.deliver("clip", messages(5, 8))
    assert arrived(server) == [5, 6, 7]


def test_a_server_without_memory_takes_nothing_and_then_everything(
    server: RedisServer, target: RedisTarget
) -> None:
    target.deliver("clip", messages(1, 3))
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(SinkAwayError, match="maxmemory"):
            target.deliver("clip", messages(3, 6))
        client.config_set("maxmemory", 0)
    target.deliver("clip", messages(3, 6))
    assert arrived(server) == [1, 2, 3, 4, 5]


def test_a_server_that_became_a_replica_is_away_until_it_leads_again(
    server: RedisServer, target: RedisTarget
) -> None:
    target.deliver("clip", messages(1, 3))
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(SinkAwayError, match=r"READONLY|read only|Transaction discarded"):
            target.deliver("clip", messages(3, 5))
        client.replicaof("NO", "ONE")
    target.deliver("clip", messages(3, 5))
    assert arrived(server) == [1, 2, 3, 4]


def test_a_server_that_wants_another_password_is_away(
    server: RedisServer, target: RedisTarget
) -> None:
    target.deliver("clip", messages(1, 3))
    with server.client() as client:
        client.config_set("requirepass", "other")
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(SinkAwayError):
            target.deliver("clip", messages(3, 5))
        with pytest.raises(SinkAwayError, match="check user and password"):
            target.deliver("clip", messages(3, 5))
        client.config_set("requirepass", "")
    target.deliver("clip", messages(3, 5))
    assert arrived(server) == [1, 2, 3, 4]


def test_a_key_of_another_type_concerns_its_stream_only(
    server: RedisServer, target: RedisTarget
) -> None:
    with server.client() as client:
        client.set("posestream:clip", "text")
    with pytest.raises(SinkError, match="delete the key posestream:clip") as caught:
        target.deliver("clip", messages(1, 3))
    assert not isinstance(caught.value, SinkAwayError)
    target.deliver("other", messages(1, 3))
    with server.client() as client:
        assert client.xlen("posestream:other") == 2


def test_after_the_clock_was_set_back_results_still_arrive_in_order(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        client.xadd("posestream:clip", {"result": record(0).line}, id="1800000000000-7")
    target = target_of(server)
    target.deliver("clip", messages(1, 3))
    target.deliver("clip", messages(3, 4))
    repeated = target_of(server)
    repeated.deliver("clip", messages(1, 5))
    entries = server.entries("clip")
    assert [entry for entry, _ in entries] == [f"1800000000000-{7 + n}" for n in range(5)]
    assert arrived(server) == [0, 1, 2, 3, 4]
    assert "entry_ids_moved" in caplog.messages
    target.close()
    repeated.close()


def test_ids_go_on_above_what_was_deleted(server: RedisServer, target: RedisTarget) -> None:
    with server.client() as client:
        client.xadd("posestream:clip", {"result": "x"}, id="1800000000000-7")
        client.xtrim("posestream:clip", maxlen=0, approximate=False)
    target.deliver("clip", messages(1, 2))
    assert [entry for entry, _ in server.entries("clip")] == ["1800000000000-8"]


def test_another_writer_does_not_stop_the_stream(server: RedisServer, target: RedisTarget) -> None:
    target.deliver("clip", messages(1, 3))
    with server.client() as client:
        client.xadd("posestream:clip", {"result": record(2).line}, id="1800000000000-0")
    with pytest.raises(SinkError, match="refused"):
        target.deliver("clip", messages(3, 5))
    target.deliver("clip", messages(3, 5))
    assert arrived(server) == [1, 2, 2, 3, 4]


def test_only_the_newest_stay(server: RedisServer) -> None:
    target = target_of(server, maxlen=20)
    for first in range(1, 501, target.chunk):
        target.deliver("clip", messages(first, min(first + target.chunk, 501)))
    kept = arrived(server)
    assert 20 <= len(kept) < 200
    assert kept == list(range(501 - len(kept), 501))
    target.close()


def test_an_ended_stream_is_forgotten(server: RedisServer, target: RedisTarget) -> None:
    for number in range(200):
        stream = f"clip{number}"
        made = record_of(result_of(0, stream=stream), NO_ENTRY)
        target.deliver(stream, [Message(made.id, made.line)])
        target.forget(stream)
    assert target._newest == {}
    assert id_text(made.id) == f"{MILLISECONDS}-0"
