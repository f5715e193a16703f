"""Results as entries of a Redis stream (Redis or Valkey 5 and later), each written once."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from stream.clock import Clock
from stream.delivery.entry_id import NO_ENTRY, EntryId, id_text, next_id
from stream.errors import SinkError
from stream.frame import FrameResult
from stream.sinks.redis_address import RedisAddress
from stream.sinks.redis_client import FIELD, KEY_PREFIX, connect_remedy, redis_client
from stream.sinks.write_errors import closed_error
from stream.wire import encode

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
CHUNK = 64
"""Entries in one transaction."""
PENDING_LIMIT = 1000
"""Results held while the server is away; more are not taken until these are confirmed."""


@dataclass(frozen=True, slots=True)
class BatchRule:
    """How long results may wait to share a round trip.

    They go when `size` are waiting or `wait_seconds` have passed since results last went. So above
    `1 / wait_seconds` frames per second they travel in batches, below each goes by itself.
    """

    size: int = 32
    wait_seconds: float = 0.1


AT_ONCE = BatchRule(size=1, wait_seconds=0.0)
"""For live streams, where nobody knows when the next result will come."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    id: EntryId
    line: str


class RedisSink:
    """XADD of every result to `posestream:<stream>`; field `result` holds the line of `wire`.

    Ids follow from the frame alone, `<capture ms>-<epoch * 2^40 + index>`, and always rise: should
    the wall clock step back, they count on from the last one. The newest `maxlen` results stay
    (MAXLEN ~), the server forgets older ones.

    What was published stays pending until the server has confirmed it. After a SinkError the next
    `publish` or `close` sends it again under the same ids; the server refuses an id that it has,
    and the sink then makes sure that the entry there is its own. So nothing is written twice.
    `publish` of the very result that failed is such a retry.
    """

    def __init__(self, address: RedisAddress, clock: Clock, rule: BatchRule | None = None) -> None:
        """Connects and logs in.

        Raises:
            SinkError: if the server cannot be reached or refuses the login.
        """
        self._address = address
        self._clock = clock
        self._rule = rule or BatchRule()
        # No more than the server is sure to keep: a retry must find what it checks.
        self._chunk = min(CHUNK, address.maxlen)
        self._pending: list[_Entry] = []
        self._last_id: EntryId = NO_ENTRY
        self._last_frame: tuple[str, int, int] | None = None
        self._sent_seconds = float("-inf")
        self._client: Redis | None = _connect(address)

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        if self._client is None:
            raise closed_error(str(self._address))
        if len(self._pending) >= PENDING_LIMIT:
            self._send(self._client)
        self._take(result)
        now_seconds = self._clock.monotonic()
        waited = now_seconds - self._sent_seconds >= self._rule.wait_seconds
        if waited or len(self._pending) >= self._rule.size:
            self._send(self._client)
            self._sent_seconds = now_seconds

    def close(self) -> None:
        """See `Sink.close`; after a SinkError it may be tried again."""
        if self._client is not None:
            self._send(self._client)
            self._free()

    def abandon(self) -> None:
        """See `Sink.abandon`; what is pending is tried once more."""
        if self._client is None:
            return
        try:
            self._send(self._client)
        except SinkError:
            fields = {"address": str(self._address), "results": len(self._pending)}
            log.warning("results_not_delivered", extra=fields)
        self._free()

    def _take(self, result: FrameResult) -> None:
        frame = result.frame
        name = (frame.stream, frame.epoch, frame.index)
        if name == self._last_frame:
            return
        key = KEY_PREFIX + (self._address.stream_name or frame.stream)
        entry = _Entry(key, next_id(frame, self._last_id), encode(result))
        self._pending.append(entry)
        self._last_id = entry.id
        self._last_frame = name

    def _send(self, client: Redis) -> None:
        while self._pending:
            chunk = self._pending[: self._chunk]
            try:
                replies = self._add(client, chunk)
                for entry, reply in zip(chunk, replies, strict=True):
                    if isinstance(reply, Exception):
                        self._make_sure(client, entry, reply)
            except RedisError as error:
                raise self._error(error) from error
            del self._pending[: len(chunk)]

    def _add(self, client: Redis, chunk: list[_Entry]) -> list[Any]:
        """One transaction: the server takes all entries of the chunk or none."""
        with client.pipeline(transaction=True) as pipeline:
            for entry in chunk:
                pipeline.xadd(
                    entry.key,
                    {FIELD: entry.line},
                    id=id_text(entry.id),
                    maxlen=self._address.maxlen,
                    approximate=True,
                )
            replies: list[Any] = pipeline.execute(raise_on_error=False)
            return replies

    def _make_sure(self, client: Redis, entry: _Entry, refusal: Exception) -> None:
        """Accepts the refusal of an id if the entry under that id is the one refused."""
        if not (isinstance(refusal, ResponseError) and "equal or smaller" in str(refusal)):
            raise refusal
        found: Any = client.xrange(entry.key, id_text(entry.id), id_text(entry.id))
        if not found or found[0][1].get(FIELD.encode()) != entry.line.encode():
            raise SinkError(
                f"{self._address}: entry {id_text(entry.id)} of {entry.key} would lie before "
                f"entries that are not from this run; another program writes there or the clock of "
                f"this machine was set back: choose another name with ?stream=NAME"
            )

    def _free(self) -> None:
        client, self._client = self._client, None
        self._pending = []
        if client is not None:
            with suppress(RedisError, OSError):
                client.close()

    def _error(self, error: RedisError) -> SinkError:
        return SinkError(
            f"{self._address}: results were not accepted: {error}; "
            f"{len(self._pending)} are pending; check the server and run again"
        )


def _connect(address: RedisAddress) -> Redis:
    client = redis_client(address, TIMEOUT_SECONDS)
    try:
        client.ping()
    except RedisError as error:
        client.close()
        raise SinkError(f"{address}: {error}; {connect_remedy(error)}") from error
    return client
