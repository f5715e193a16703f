"""What every sink promises."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from stream.clock import ManualClock
from stream.errors import SinkError
from stream.frame import Outcome
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from stream.sinks.jsonl_sink import JsonlSink, append_jsonl, print_jsonl
from stream.sinks.memory_sink import MemorySink
from stream.sinks.parquet_sink import ParquetSink
from stream.sinks.redis_address import parse_redis_address
from stream.sinks.redis_sink import AT_ONCE, BatchRule, RedisSink
from stream.sinks.sink import Sink
from stream.wire import decode_line
from tests.redis_server import RedisServer
from tests.results import result_of, standing_person
from tests.videos import frame_times

Read = Callable[[], list[int]]
"""Frame numbers that stand at the sink's place, in order."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sink, and how its reader sees it when all went well and when it did not."""

    sink: Sink
    final: Read
    abandoned: Read


def numbers_in(path: Path) -> list[int]:
    text = path.read_text("ascii") if path.exists() else ""
    return [decode_line(line).frame for line in text.splitlines()]


def memory_case() -> Case:
    sink = MemorySink()

    def numbers() -> list[int]:
        return [result.frame.index for result in sink.results]

    return Case(sink, numbers, numbers)


def jsonl_case(folder: Path) -> Case:
    path = folder / "out.jsonl"
    partial = folder / "out.jsonl.partial"
    return Case(JsonlSink(path), lambda: numbers_in(path), lambda: numbers_in(partial))


def growing_case(folder: Path) -> Case:
    path = folder / "live.jsonl"
    return Case(append_jsonl(path), lambda: numbers_in(path), lambda: numbers_in(path))


def stdout_case(capture: pytest.CaptureFixture[str]) -> Case:
    def numbers() -> list[int]:
        return [decode_line(line).frame for line in capture.readouterr().out.splitlines()]

    return Case(print_jsonl(), numbers, numbers)


def video_case(folder: Path) -> Case:
    path = folder / "out.mp4"

    def numbers(path: Path) -> list[int]:
        return [round(seconds * 25) for seconds in frame_times(path)] if path.exists() else []

    partial = folder / "out.mp4.partial"
    return Case(AnnotatedVideoSink(path), lambda: numbers(path), lambda: numbers(partial))


def parquet_case(folder: Path) -> Case:
    def numbers(path: Path) -> list[int]:
        from pyarrow import parquet  # noqa: PLC0415 - others need none

        return parquet.read_table(path)["frame"].to_pylist() if path.exists() else []

    path, partial = folder / "out.parquet", folder / "out.parquet.partial"
    return Case(ParquetSink(path), lambda: numbers(path), lambda: numbers(partial))


def redis_case(server: RedisServer, name: str, rule: BatchRule) -> Case:
    address = parse_redis_address(server.location(stream=name))

    def numbers() -> list[int]:
        return [decode_line(line).frame for line in server.results(name)]

    return Case(RedisSink(address, ManualClock(), rule), numbers, numbers)


@pytest.fixture(
    params=[
        *("memory", "jsonl", "growing", "stdout", "video", "parquet"),
        *("redis_batches", "redis_at_once"),
    ]
)
def open_case(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    redis_server_if_any: RedisServer | None,
) -> Callable[[], Case]:
    """Opens the sink in the test itself, where standard output is the one that is captured."""
    if request.param.startswith("redis"):
        server = request.getfixturevalue("redis_server")
        rule = AT_ONCE if request.param == "redis_at_once" else BatchRule()
        return partial(redis_case, server, tmp_path.name, rule)
    makers: dict[str, Callable[[], Case]] = {
        "memory": memory_case,
        "jsonl": partial(jsonl_case, tmp_path),
        "growing": partial(growing_case, tmp_path),
        "stdout": partial(stdout_case, capfd),
        "video": partial(video_case, tmp_path),
        "parquet": partial(parquet_case, tmp_path),
    }
    return makers[request.param]


def publish_some(sink: Sink) -> None:
    sink.publish(result_of(0, standing_person()))
    sink.publish(result_of(1, outcome=Outcome.SKIPPED))
    sink.publish(result_of(2, standing_person(1), standing_person(2)))


def test_results_are_all_there_and_in_order_after_close(open_case: Callable[[], Case]) -> None:
    case = open_case()
    publish_some(case.sink)
    case.sink.close()
    assert case.final() == [0, 1, 2]


def test_a_second_close_changes_nothing(open_case: Callable[[], Case]) -> None:
    case = open_case()
    publish_some(case.sink)
    case.sink.close()
    case.sink.close()
    assert case.final() == [0, 1, 2]


def test_abandoning_keeps_what_was_published(open_case: Callable[[], Case]) -> None:
    case = open_case()
    publish_some(case.sink)
    case.sink.abandon()
    assert case.abandoned() == [0, 1, 2]


def test_closing_after_abandoning_makes_nothing_final(open_case: Callable[[], Case]) -> None:
    case = open_case()
    publish_some(case.sink)
    case.sink.abandon()
    case.sink.close()
    case.sink.abandon()
    assert case.abandoned() == [0, 1, 2]


def test_abandoning_after_close_takes_nothing_back(open_case: Callable[[], Case]) -> None:
    case = open_case()
    publish_some(case.sink)
    case.sink.close()
    case.sink.abandon()
    assert case.final() == [0, 1, 2]


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_no_result_is_taken_after_the_end(open_case: Callable[[], Case], end: str) -> None:
    case = open_case()
    publish_some(case.sink)
    getattr(case.sink, end)()
    with pytest.raises(SinkError, match="closed and takes no more results"):
        case.sink.publish(result_of(3))


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_a_sink_without_results_ends_quietly(open_case: Callable[[], Case], end: str) -> None:
    case = open_case()
    getattr(case.sink, end)()
    assert case.final() == []
