"""What waits on disk while a sink is away: bounded, checksummed, in order.

Append-only segments. When there is no room the oldest go, as whole segments, except the very
oldest: the records at its head may just be under way, and nobody may be told that they are lost.
What is lost leaves a jump in the sequence of what is read back.

A record is with the operating system when `append` returns, so a killed process loses nothing of
it. Segments are forced to the disk when they are full, and what came in at least every
`sync_seconds`: a power cut loses no more than that.
"""

import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stream.delivery.cursor_file import CursorFile
from stream.delivery.entry_id import EntryId
from stream.delivery.record import Cursor, Record
from stream.delivery.segment_file import GrowingSegment, SpoolSegment, recover_segments
from stream.errors import ConfigError
from stream.sinks.write_errors import write_error

log = logging.getLogger(__name__)

MIB = 1 << 20
LEAST_BYTES = 64 << 10
CURSOR_NAME = "delivered"


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much a spool may hold, and how soon it is safe from a power cut."""

    max_bytes: int = 64 * MIB
    sync_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuses numbers that make no spool."""
        if self.max_bytes < LEAST_BYTES or self.sync_seconds < 0:
            raise ConfigError(
                f"spool: max_bytes must be {LEAST_BYTES} or more and sync_seconds 0 or more, got "
                f"{self.max_bytes} and {self.sync_seconds}"
            )

    @property
    def segment_bytes(self) -> int:
        """Size at which a segment is full."""
        return min(MIB, self.max_bytes // 8)


DEFAULT_LIMITS = SpoolLimits()


class Spool:
    """The records of one stream that wait for one sink; used by one thread."""

    def __init__(self, folder: Path, limits: SpoolLimits) -> None:
        """Opens the folder, making it if there is none, and finds what an earlier process left.

        Raises:
            SinkError: if the folder cannot be read or written.
        """
        self._folder, self._limits = folder, limits
        self._tail: GrowingSegment | None = None
        self._head: deque[Record] | None = None
        """Records of the oldest segment; None until they are read back."""
        self._synced_seconds = 0.0
        self._is_dirty = False
        self._is_failing = False
        self._is_full = False
        self.lost = 0
        """Records that were dropped, not stored or not read back, so far."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._cursor_file = CursorFile(folder / CURSOR_NAME)
            known = self._cursor_file.read()
            self._closed = deque(recover_segments(folder, known.sequence if known else 0))
        except OSError as error:
            raise write_error(str(folder), error, "the spool cannot be used") from error
        self.cursor = self._found_cursor(known)
        """How far the stream was delivered, as far as the spool was told: what is delivered while
        it is empty does not pass it."""
        self.waiting = sum(segment.waiting for segment in self._closed)
        """Records that can be read back."""

    @property
    def is_empty(self) -> bool:
        """Nothing is stored in it."""
        return not self._segments

    @property
    def end(self) -> int:
        """The sequence after everything that was ever in it."""
        return max([self.cursor.sequence, *(segment.end for segment in self._segments)])

    @property
    def last_id(self) -> EntryId:
        """The highest id that is known of."""
        return max([self.cursor.id, *(segment.last_id for segment in self._segments)])

    @property
    def size_bytes(self) -> int:
        """Room taken on the disk."""
        return sum(segment.size_bytes for segment in self._segments)

    def begin(self, cursor: Cursor) -> bool:
        """Everything before the cursor was delivered without the spool; False if that fails.

        Only for an empty spool, before the first `append`: without it, what was delivered past the
        spool would be taken for lost after a restart.
        """
        return self._move(cursor)

    def append(self, record: Record) -> bool:
        """Puts a record at the end; False if there is no room or the disk refuses."""
        stored = self._make_room(len(record.line)) and self._store(record)
        if stored:
            self.waiting += 1
            self._is_dirty = True
            if self._head is not None and not self._closed:
                self._head.append(record)
        else:
            self.lost += 1
        return stored

    def peek(self, count: int) -> list[Record]:
        """The oldest records; they stay until `ack`."""
        while not self._head and self._segments:
            self._drop_oldest(only_if_read=True)
            self._read_oldest()
        return list(islice(self._head or (), count))

    def ack(self, count: int, cursor: Cursor) -> None:
        """The oldest `count` records were delivered, and the stream up to the cursor.

        Raises:
            IndexError: if `peek` did not give so many.
        """
        for _ in range(count):
            (self._head or deque[Record]()).popleft()
        self.waiting -= count
        self._is_full = False
        self._move(cursor)
        if not self._head:
            self._drop_oldest()

    def sync(self, now_seconds: float) -> None:
        """Forces to the disk what came in, if that is due."""
        if not self._is_dirty or now_seconds - self._synced_seconds < self._limits.sync_seconds:
            return
        self._synced_seconds, self._is_dirty = now_seconds, False
        self._force_tail()

    def close(self) -> None:
        """Frees the files. What waits is found by the next process; an empty folder goes."""
        is_empty = self.is_empty
        self._close_tail()
        self._cursor_file.close()
        if is_empty:
            with suppress(OSError):
                self._cursor_file.remove()
                self._folder.rmdir()

    def _found_cursor(self, known: Cursor | None) -> Cursor:
        if known is None:
            return Cursor(self._closed[0].first if self._closed else 1)
        if self._closed:
            return known
        # More may have been delivered past the empty spool, so its last frame is not known.
        return Cursor(known.sequence, known.id)

    @property
    def _segments(self) -> list[SpoolSegment]:
        return [*self._closed, *([self._tail.segment] if self._tail else [])]

    def _move(self, cursor: Cursor) -> bool:
        self.cursor = cursor
        try:
            self._cursor_file.write(cursor)
        except OSError as error:
            self._tell_failure(error)
            return False
        return True

    def _store(self, record: Record) -> bool:
        try:
            self._growing(record.sequence).append(record)
        except OSError as error:
            self._tell_failure(error)
            return False
        self._is_failing = False
        return True

    def _tell_failure(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            fields = {"path": str(self._folder), "cause": str(error)}
            log.warning("spool_disk_refused", extra=fields)

    def _growing(self, sequence: int) -> GrowingSegment:
        if self._tail and self._tail.segment.size_bytes >= self._limits.segment_bytes:
            self._close_tail()
        if self._tail is None:
            self._tail = GrowingSegment(self._folder, sequence)
        return self._tail

    def _close_tail(self) -> None:
        if self._tail is None:
            return
        self._force_tail()
        self._tail.close()
        self._closed.append(self._tail.segment)
        self._tail = None

    def _force_tail(self) -> None:
        try:
            if self._tail:
                self._tail.sync()
        except OSError as error:
            self._tell_failure(error)

    def _make_room(self, size_bytes: int) -> bool:
        while self.size_bytes + size_bytes > self._limits.max_bytes:
            if len(self._closed) < 2:
                return False
            victim = self._closed[1]
            del self._closed[1]
            victim.remove()
            self.waiting -= victim.waiting
            self.lost += victim.waiting
            if not self._is_full:
                self._is_full = True
                fields = {"path": str(self._folder), "max_bytes": self._limits.max_bytes}
                log.warning("spool_full", extra=fields)
        return True

    def _read_oldest(self) -> None:
        if not self._segments:
            return
        oldest = self._segments[0]
        self._head = deque(oldest.read(self.cursor.sequence))
        unreadable = oldest.waiting - len(self._head)
        if unreadable:
            self.waiting -= unreadable
            self.lost += unreadable
            fields = {"path": str(oldest.path), "results": unreadable}
            log.warning("spool_damaged", extra=fields)

    def _drop_oldest(self, *, only_if_read: bool = False) -> None:
        """Deletes the oldest segment, of which nothing waits any more."""
        if only_if_read and self._head is None:
            return
        self._head = None
        if self._closed:
            self._closed.popleft().remove()
        elif self._tail:
            self._tail.close()
            self._tail.segment.remove()
            self._tail = None
