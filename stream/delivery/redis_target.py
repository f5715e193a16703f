"""A Redis server as a target: one Redis stream per video stream, nothing twice, in order.

An entry's field is `result` or `gap`; its id is that of the message. Before anything is added under
a key for the first time after a connection was made or lost, the newest entries there are read: a
message among them has arrived before and is not added again. (What may have arrived unseen is never
more than one chunk, so it is among them.) All other messages get ids above the newest, their own
unless something else was written there or this machine's clock was set back over a restart.

A chunk is one transaction: the server takes all of it or nothing. MAXLEN ~ lets the server forget
the oldest results, never fewer than the newest `maxlen` stay.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from stream.delivery.entry_id import NO_ENTRY, EntryId, id_after, id_text
from stream.delivery.record import Message
from stream.errors import SinkAwayError, SinkError
from stream.sinks.redis_address import RedisAddress
from stream.sinks.redis_client import FIELD, KEY_PREFIX, connect_remedy, redis_client

log = logging.getLogger(__name__)

CHUNK = 64
"""Results in one transaction."""
GAP_FIELD = "gap"
TIMEOUT_SECONDS = 1.0
"""A server that does not answer for so long is away; results wait in memory meanwhile."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """What stands at the end of a key."""

    id: EntryId = NO_ENTRY
    lines: frozenset[bytes] = frozenset()


class RedisTarget:
    """Implements `Target`. Connects when there is something to deliver."""

    def __init__(self, address: RedisAddress, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        # A gap may stand before each result, and a retry must find all of them again.
        self._chunk = max(1, min(CHUNK, address.maxlen // 2))
        self._client: Redis | None = None
        self._newest: dict[str, EntryId] = {}
        """Highest id per key, as far as this connection knows; `forget` evicts."""

    @property
    def chunk(self) -> int:
        """See `Target.chunk`."""
        return self._chunk

    def deliver(self, stream: str, messages: Sequence[Message]) -> None:
        """See `Target.deliver`."""
        key = self._key(stream)
        try:
            client = self._connected()
            if key in self._newest:
                newest = _Newest(self._newest[key])
            else:
                newest = self._read_newest(client, key)
            entries = _rising(messages, newest, key)
            self._newest.pop(key, None)  # until it is known that all arrived
            self._add(client, key, entries)
            self._newest[key] = entries[-1][0] if entries else newest.id
        except RedisError as error:
            raise self._error(stream, error) from error

    def forget(self, stream: str) -> None:
        """See `Target.forget`."""
        self._newest.pop(self._key(stream), None)

    def close(self) -> None:
        """See `Target.close`."""
        client, self._client = self._client, None
        self._newest.clear()
        if client is not None:
            with suppress(RedisError, OSError):
                client.close()

    def _key(self, stream: str) -> str:
        return KEY_PREFIX + (self._address.stream_name or stream)

    def _connected(self) -> Redis:
        if self._client is None:
            self._client = redis_client(self._address, self._timeout_seconds)
        return self._client

    def _read_newest(self, client: Redis, key: str) -> _Newest:
        found: Any = client.xrevrange(key, count=2 * self._chunk)
        lines = frozenset(line for _, fields in found for line in fields.values())
        if found:
            return _Newest(_parsed(found[0][0]), lines)
        # Trimmed or deleted entries leave their ids behind.
        info: Any = client.xinfo_stream(key) if client.exists(key) else {}
        return _Newest(_parsed(info["last-generated-id"]) if info else NO_ENTRY)

    def _add(self, client: Redis, key: str, entries: list[tuple[EntryId, Message]]) -> None:
        if not entries:
            return
        with client.pipeline(transaction=True) as pipeline:
            for entry, message in entries:
                field = GAP_FIELD if message.is_gap else FIELD
                pipeline.xadd(
                    key,
                    {field: message.line},
                    id=id_text(entry),
                    maxlen=self._address.maxlen,
                    approximate=True,
                )
            pipeline.execute()

    def _error(self, stream: str, error: RedisError) -> SinkError:
        """Away, or only this stream refused; after either the end of the key is read again."""
        if isinstance(error, ResponseError) and _is_about_the_key(error):
            return SinkError(
                f"{self._address}: results of stream {stream} are refused: {error}; delete the key "
                f"{self._key(stream)} or give the stream another name"
            )
        self.close()
        return SinkAwayError(f"{self._address}: {error}; {connect_remedy(error)}")


def _rising(
    messages: Sequence[Message], newest: _Newest, key: str
) -> list[tuple[EntryId, Message]]:
    """The messages that are not there yet, under ids above the newest."""
    entries: list[tuple[EntryId, Message]] = []
    last = newest.id
    for message in messages:
        if message.id <= newest.id and message.line.encode("ascii") in newest.lines:
            continue
        last = max(message.id, id_after(last))
        entries.append((last, message))
    moved = sum(entry != message.id for entry, message in entries)
    if moved:
        log.warning("entry_ids_moved", extra={"key": key, "results": moved})
    return entries


def _is_about_the_key(error: ResponseError) -> bool:
    # A transaction's errors begin with "Command # 1 (...) of pipeline caused error: ".
    return any(word in str(error) for word in ("WRONGTYPE", "equal or smaller"))


def _parsed(entry: bytes) -> EntryId:
    ms, _, number = entry.partition(b"-")
    return int(ms), int(number)
