"""`examples/consumer.py` against a real server."""

from pathlib import Path

import pytest
from redis import Redis

from examples.consumer import CLAIM_MS, GROUP, Progress, deal_with, entries, join_group, read_once
from stream.clock import SystemClock
from stream.delivery.courier import Courier
from stream.delivery.live_delivery import LiveDelivery
from stream.delivery.redis_target import RedisTarget
from stream.delivery.spool import LEAST_BYTES, SpoolLimits
from stream.delivery.spool_folder import SpoolFolder
from stream.sinks.redis_address import parse_redis_address
from stream.wire import encode
from tests.redis_server import RedisServer
from tests.results import result_of, standing_person


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.consumer.WAIT_MS", 1)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return f"posestream:{tmp_path.name}"


def publish(server: RedisServer, stream: str, epoch: int, frames: range) -> None:
    target = RedisTarget(parse_redis_address(server.location()))
    delivery = LiveDelivery([Courier("redis", target, SystemClock())])
    sink = delivery.open_stream(stream)
    for index in frames:
        capture = 1_700_000_000.0 + epoch * 1000 + index / 25
        sink.publish(
            result_of(
                index, standing_person(3), stream=stream, epoch=epoch, capture_seconds=capture
            )
        )
    assert delivery.close(20)


def read_all(client: Redis, key: str, reader: str) -> tuple[Progress, list[str]]:
    progress, said = Progress(), list[str]()
    while read_once(client, key, reader, progress, said.append):
        pass
    return progress, said


def test_a_reader_sees_results_epochs_and_tracks(
    redis_server: RedisServer, key: str, tmp_path: Path
) -> None:
    publish(redis_server, tmp_path.name, 0, range(3))
    publish(redis_server, tmp_path.name, 1, range(2))
    with redis_server.client() as client:
        join_group(client, key)
        join_group(client, key)
        progress, said = read_all(client, key, "one")
        assert client.xpending(key, GROUP)["pending"] == 0
    assert (progress.results, progress.missing, progress.repeated) == (5, 0, 0)
    assert said[0] == f"epoch 0 of {tmp_path.name} begins"
    assert said[1] == "frame 0 at 0.00 s: tracks [3]"
    assert f"epoch 1 of {tmp_path.name} begins" in said


def test_two_readers_share_the_entries(redis_server: RedisServer, key: str, tmp_path: Path) -> None:
    publish(redis_server, tmp_path.name, 0, range(100))
    with redis_server.client() as client:
        join_group(client, key)
        first, second = Progress(), Progress()
        for progress in (first, second, second):
            read_once(client, key, f"reader{id(progress)}", progress, lambda line: None)
    assert (first.results, second.results) == (64, 36)


def test_what_a_reader_left_when_it_died_is_read_again_by_itself_or_by_another(
    redis_server: RedisServer, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CLAIM_MS >= 1000
    publish(redis_server, tmp_path.name, 0, range(10))
    with redis_server.client() as client:
        join_group(client, key)
        assert len(list(entries(client, key, "dies"))) == 10, "taken, none acknowledged"
        monkeypatch.setattr("examples.consumer.CLAIM_MS", 0)
        other, _ = read_all(client, key, "other")
        again, _ = read_all(client, key, "dies")
    assert (other.results, again.results) == (10, 0)


def test_a_repeated_entry_is_dealt_with_once() -> None:
    progress, said = Progress(), list[str]()
    fields = {b"result": encode(result_of(0, standing_person())).encode()}
    for _ in range(2):
        deal_with(progress, b"1-0", fields, said.append)
    assert (progress.results, progress.repeated) == (1, 1)
    assert len(said) == 2, "the epoch and the frame"


def test_a_gap_is_told(redis_server: RedisServer, key: str, tmp_path: Path) -> None:
    stream = tmp_path.name
    spools = SpoolFolder(tmp_path / "spool", SpoolLimits(LEAST_BYTES))
    nowhere = parse_redis_address("redis://127.0.0.1:1/0")
    away = LiveDelivery([Courier("redis", RedisTarget(nowhere), SystemClock(), spools=spools)])
    sink = away.open_stream(stream)
    for index in range(600):
        sink.publish(result_of(index, stream=stream))
    assert away.close(20)
    target = RedisTarget(parse_redis_address(redis_server.location()))
    spools = SpoolFolder(tmp_path / "spool", SpoolLimits(LEAST_BYTES))
    back = LiveDelivery([Courier("redis", target, SystemClock(), spools=spools)])
    assert back.close(20)

    with redis_server.client() as client:
        join_group(client, key)
        progress, said = read_all(client, key, "one")
    assert progress.missing > 0
    assert progress.results + progress.missing == 600
    assert any("results are missing between {'epoch': 0" in line for line in said)
