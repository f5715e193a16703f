"""Kill -9 of a publishing process, with the server there, away and hanging."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.clock import SystemClock
from stream.delivery.open_delivery import RedisPlan, open_delivery
from stream.sinks.redis_address import parse_redis_address
from stream.wire import ResultLine
from stream.wire_gap import decode_delivered
from tests.command_line import REPOSITORY, environment
from tests.redis_server import RedisServer

PUBLISHER = str(REPOSITORY / "tests" / "stream" / "delivery" / "redis_publisher.py")
TROUBLE = ("none", "killed", "frozen", "none", "killed", "restarted", "frozen", "none")
"""What befalls the server while each process publishes."""


@pytest.fixture
def server(redis_program: Path, tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(redis_program, folder=tmp_path / "redis")
    yield server
    server.kill()


def make_trouble(server: RedisServer, trouble: str) -> Callable[[], None]:
    """Does it, and returns how to end it."""
    if trouble == "frozen":
        server.freeze()
        return server.thaw
    if trouble in ("killed", "restarted"):
        server.kill()
    if trouble == "restarted":
        server.start()
    return server.start if trouble == "killed" else lambda: None


def told_by(process: subprocess.Popen[str], lines: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(lines)]


@pytest.mark.slow
def test_a_killed_process_loses_only_what_it_had_not_yet_stored_and_doubles_nothing(
    server: RedisServer, tmp_path: Path
) -> None:
    settled: dict[int, int] = {}
    for epoch, trouble in enumerate(TROUBLE):
        words = [sys.executable, PUBLISHER, server.location(), str(tmp_path / "spool"), str(epoch)]
        with subprocess.Popen(
            words, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            told_by(process, 50 + 7 * epoch)
            mend = make_trouble(server, trouble)
            last = told_by(process, 400 + 31 * epoch)[-1]
            process.kill()
        settled[epoch] = int(last.split()[1])
        mend()

    location = parse_redis_address(server.location())
    rest = open_delivery([RedisPlan("redis", location)], tmp_path / "spool", SystemClock())
    assert rest.close(20)

    arrived = [line for _, fields in server.entries("clip") for line in fields.values()]
    by_epoch: dict[int, list[int]] = defaultdict(list)
    for one in map(decode_delivered, arrived):
        assert isinstance(one, ResultLine), "no gap: nothing that was stored is missing"
        by_epoch[one.epoch].append(one.frame)
    assert list(by_epoch) == sorted(by_epoch)
    for epoch, least in settled.items():
        frames = by_epoch[epoch]
        assert frames == list(range(len(frames))), f"epoch {epoch}"
        assert len(frames) >= least, f"epoch {epoch}: what was acked or stored must arrive"
