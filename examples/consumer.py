"""Reads the results of one stream from Redis, each once, with several readers side by side.

Run it as often as you like, each time with another name::

    python examples/consumer.py redis://HOST:6379/0 entrance reader-1

What it shows:

* A consumer group hands every entry to one reader. An entry stays pending until it is acknowledged,
  and is acknowledged only after it was dealt with: a reader that dies loses nothing.
* What a dead reader left pending is claimed by the others after `CLAIM_MS` (XAUTOCLAIM). So an
  entry may be dealt with twice, once before and once after a crash. Its id never changes: make it
  the key under which you store what you make of it, and the second time changes nothing. `Progress`
  stands for that store here.
* A `gap` entry says that results are missing here, and how many.
* A new `epoch` says that the stream's clock began anew: a reconnect, a jump, a restart. Track ids
  and `pts_seconds` of different epochs do not compare.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

GROUP = "example"
CLAIM_MS = 10_000
"""An entry that was handed out so long ago without an answer is given to another reader."""
WAIT_MS = 1_000
COUNT = 64
REMEMBERED = 10_000

Say = Callable[[str], None]


@dataclass(slots=True)
class Progress:
    """What was dealt with so far."""

    epoch: int = -1
    results: int = 0
    missing: int = 0
    repeated: int = 0
    recent: dict[bytes, None] = field(default_factory=dict)
    """Ids of the last `REMEMBERED` entries, oldest first."""

    def is_new(self, entry: bytes) -> bool:
        """Whether the entry was not seen before; from now on it was."""
        if entry in self.recent:
            self.repeated += 1
            return False
        self.recent[entry] = None
        if len(self.recent) > REMEMBERED:
            del self.recent[next(iter(self.recent))]
        return True


def join_group(client: Redis, key: str) -> None:
    """Makes the group if there is none; it begins with the oldest entry that is there."""
    try:
        client.xgroup_create(key, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def entries(client: Redis, key: str, reader: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """The entries for this reader: its own from before a crash, dead readers' ones, new ones."""
    pending: Any = client.xreadgroup(GROUP, reader, {key: "0"}, count=COUNT)
    yield from _of(pending)
    claimed: Any = client.xautoclaim(key, GROUP, reader, CLAIM_MS, "0-0", count=COUNT)
    # An entry without fields was trimmed by the server (MAXLEN) before anybody read it.
    yield from ((entry, fields) for entry, fields in claimed[1] if fields)
    fresh: Any = client.xreadgroup(GROUP, reader, {key: ">"}, count=COUNT, block=WAIT_MS)
    yield from _of(fresh)


def _of(reply: Any) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    streams = reply.values() if isinstance(reply, dict) else (entries for _, entries in reply or [])
    for found in streams:
        for entry, fields in found:
            if fields:
                yield entry, fields


def deal_with(progress: Progress, entry: bytes, fields: dict[bytes, bytes], say: Say) -> None:
    """Does what there is to do about one entry."""
    if not progress.is_new(entry):
        return
    if b"gap" in fields:
        gap = json.loads(fields[b"gap"])
        progress.missing += gap["gap"]
        say(f"{gap['gap']} results are missing between {gap['after']} and {gap['before']}")
        return
    result = json.loads(fields[b"result"])
    if result["epoch"] > progress.epoch:
        progress.epoch = result["epoch"]
        say(f"epoch {result['epoch']} of {result['stream']} begins")
    progress.results += 1
    if result["outcome"] == "inferred":
        tracks = [pose["track"] for pose in result["poses"]]
        say(f"frame {result['frame']} at {result['pts_seconds']:.2f} s: tracks {tracks}")


def read_once(client: Redis, key: str, reader: str, progress: Progress, say: Say) -> int:
    """Takes what is there, deals with it, acknowledges it; how many entries that were."""
    count = 0
    for entry, fields in entries(client, key, reader):
        deal_with(progress, entry, fields, say)
        client.xack(key, GROUP, entry)
        count += 1
    return count


def main() -> None:
    """Reads for ever."""
    address, stream, reader = sys.argv[1:4]
    key = f"posestream:{stream}"
    client = Redis.from_url(address)
    join_group(client, key)
    progress = Progress()

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    while True:
        read_once(client, key, reader, progress, say)


if __name__ == "__main__":
    main()
