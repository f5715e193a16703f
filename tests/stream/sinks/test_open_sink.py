from pathlib import Path

import pytest

from stream.errors import ConfigError, SinkError
from stream.sinks.jsonl_sink import GrowingJsonlSink, JsonlSink
from stream.sinks.open_sink import open_sink, sink_kind
from stream.sinks.redis_sink import RedisSink
from tests.redis_server import RedisServer
from tests.results import result_of


def test_a_jsonl_file_is_written_whole_or_as_it_grows(tmp_path: Path) -> None:
    whole = open_sink(str(tmp_path / "a.jsonl"))
    growing = open_sink(str(tmp_path / "b.JSONL"), live=True)
    assert isinstance(whole, JsonlSink)
    assert isinstance(growing, GrowingJsonlSink)
    whole.close()
    growing.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.JSONL"]


def test_a_dash_is_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    sink = open_sink("-")
    sink.publish(result_of(5))
    sink.close()
    assert '"frame":5' in capfd.readouterr().out


def test_a_redis_address_is_a_redis_stream(redis_server: RedisServer, tmp_path: Path) -> None:
    for live in (False, True):
        sink = open_sink(redis_server.location(stream=tmp_path.name), live=live)
        assert isinstance(sink, RedisSink)
        sink.publish(result_of(live))
        sink.close()
    assert len(redis_server.results(tmp_path.name)) == 2


def test_a_live_redis_sink_holds_nothing_back(redis_server: RedisServer, tmp_path: Path) -> None:
    sink = open_sink(redis_server.location(stream=tmp_path.name), live=True)
    for index in range(5):
        sink.publish(result_of(index))
        assert len(redis_server.results(tmp_path.name)) == index + 1
    sink.close()


@pytest.mark.parametrize("location", ["", "out.json", "out.csv", "out", "s3://bucket/out.jsonl"])
def test_anything_else_is_refused_with_what_is_known(location: str) -> None:
    with pytest.raises(ConfigError, match=r"expected FILE\.jsonl, FILE\.parquet, - .*redis://"):
        open_sink(location)


@pytest.mark.parametrize("location", ["rediss://:hunter2@h/0", "amqp://ada:hunter2@h/a.jsonl"])
def test_a_login_in_an_unknown_address_is_not_repeated(location: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_sink(location)
    assert "hunter2" not in str(caught.value)


def test_a_redis_that_is_not_there_is_refused() -> None:
    with pytest.raises(SinkError, match=r"redis://127\.0\.0\.1:1/0: .*start the server"):
        open_sink("redis://:hunter2@127.0.0.1:1/0")


@pytest.mark.parametrize(
    ("location", "kind"),
    [("-", "stdout"), ("redis://:secret@h/0", "redis"), ("a/b.JSONL", "jsonl"), ("c.mp4", "mp4")],
)
def test_a_location_has_a_kind_that_tells_nothing_else(location: str, kind: str) -> None:
    assert sink_kind(location) == kind
