"""From what a user writes after `--output` to a sink."""

from pathlib import Path

from stream.clock import Clock, SystemClock
from stream.errors import ConfigError
from stream.sinks.jsonl_sink import JsonlSink, append_jsonl, print_jsonl
from stream.sinks.parquet_sink import ParquetSink
from stream.sinks.redis_address import FORM, parse_redis_address
from stream.sinks.sink import Sink


def open_sink(location: str, *, live: bool = False, clock: Clock | None = None) -> Sink:
    """The sink that `location` names: `FILE.jsonl`, `FILE.parquet`, `-` (standard output) or Redis.

    With `live` every result is delivered at once: lines grow under their final name, Redis gets no
    batches; only a Parquet table has to wait for its end.

    Raises:
        ConfigError: if `location` names no sink.
        SinkError: if it cannot be written there.
    """
    kind = sink_kind(location)
    if kind == "stdout":
        return print_jsonl()
    if kind == "redis":
        return _open_redis(location, live=live, clock=clock or SystemClock())
    if "://" in location or kind not in {"jsonl", "parquet"}:
        raise ConfigError(
            f"output {_without_login(location)}: expected FILE.jsonl, FILE.parquet, - (standard "
            f"output) or {FORM}"
        )
    path = Path(location)
    if kind == "parquet":
        return ParquetSink(path)
    return append_jsonl(path) if live else JsonlSink(path)


def sink_kind(location: str) -> str:
    """What sort of output a location is: `stdout`, `redis`, or a file's ending, as `jsonl`."""
    if location == "-":
        return "stdout"
    if location.partition(":")[0].lower() == "redis":
        return "redis"
    return Path(location).suffix.lower().removeprefix(".")


def _open_redis(location: str, *, live: bool, clock: Clock) -> Sink:
    address = parse_redis_address(location)
    # Here, so that who writes files does not wait for the client library.
    from stream.sinks.redis_sink import AT_ONCE, BatchRule, RedisSink  # noqa: PLC0415

    return RedisSink(address, clock, AT_ONCE if live else BatchRule())


def _without_login(location: str) -> str:
    """The location, or only its scheme where a password may follow."""
    scheme, mark, _ = location.partition("://")
    return f"{scheme}://..." if mark else repr(location)
