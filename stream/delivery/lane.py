"""One stream's way into one sink: memory first, disk while the sink is away."""

from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

from stream.delivery.entry_id import NO_ENTRY, EntryId
from stream.delivery.record import Cursor, Record, last_gap, messages_of
from stream.delivery.spool import Spool
from stream.delivery.target import Target

QUEUE_SIZE = 1024
"""Results in memory, some 2 MB; half a minute of a camera."""


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """What became of the results of a stream on their way into a sink.

    At every moment taken + recovered = acked + replayed + gap + held.
    """

    taken: int = 0
    recovered: int = 0
    """Found in the spool that an earlier process left."""
    acked: int = 0
    """The sink confirmed them."""
    spooled: int = 0
    """Were put on disk."""
    replayed: int = 0
    """The sink confirmed them, out of the spool."""
    gap: int = 0
    """Lost; the sink gets a gap record in their place."""

    @property
    def held(self) -> int:
        """Still under way."""
        return self.taken + self.recovered - self.acked - self.replayed - self.gap

    def plus(self, other: "LaneCounts") -> "LaneCounts":
        """Both together."""
        return LaneCounts(
            *(getattr(self, name) + getattr(other, name) for name in LaneCounts.__slots__)
        )


class Lane:
    """`offer` may be called by the stream's thread, all else by that of the sink."""

    def __init__(self, stream: str, spool: Spool | None, queue_size: int = QUEUE_SIZE) -> None:
        """Begins where the spool says that an earlier process had stopped."""
        self.stream = stream
        self._spool = spool
        self._queue_size = queue_size
        self._lock = Lock()
        self._queue: deque[Record] = deque()
        self._chunk: list[Record] = []
        """Taken from the queue and on its way; kept until the sink or the spool has it."""
        self._cursor = spool.cursor if spool else Cursor(1)
        self._end = spool.end if spool else 1
        self._last_id = spool.last_id if spool else NO_ENTRY
        self._is_open = True
        self._counts = LaneCounts(recovered=spool.waiting if spool else 0)
        self._overflown = 0

    @property
    def last_id(self) -> EntryId:
        """The highest id that was given so far, by an earlier process too."""
        return self._last_id

    @property
    def is_open(self) -> bool:
        """Whether it takes records."""
        return self._is_open

    @property
    def counts(self) -> LaneCounts:
        """What became of the results so far."""
        with self._lock:
            lost = self._overflown + (self._spool.lost if self._spool else 0)
            return replace(self._counts, gap=lost)

    @property
    def size_bytes(self) -> int:
        """Room taken on the disk."""
        return self._spool.size_bytes if self._spool else 0

    @property
    def waiting_since_ms(self) -> int | None:
        """Capture time of the oldest result under way (with a spool: of its predecessor)."""
        mark = self._cursor.mark
        if self._spool and self._spool.waiting and mark:
            return mark.captured_ms
        with self._lock:
            oldest = self._chunk[0] if self._chunk else self._queue[0] if self._queue else None
        return oldest.mark.captured_ms if oldest else None

    @property
    def is_idle(self) -> bool:
        """Everything that came was delivered or is lost, and if it is closed, said to be."""
        with self._lock:
            waits = self._queue or self._chunk or (self._spool and not self._spool.is_empty)
            owes_gap = not self._is_open and self._cursor.sequence < self._end
            return not waits and not owes_gap

    def offer(self, record: Record) -> None:
        """Takes a record at once; when the queue is full the oldest in it is lost."""
        with self._lock:
            self._queue.append(replace(record, sequence=self._end))
            self._end += 1
            self._last_id = record.id
            self._counts = replace(self._counts, taken=self._counts.taken + 1)
            if len(self._queue) > self._queue_size:
                self._queue.popleft()
                self._overflown += 1

    def open(self) -> None:
        """Takes records again."""
        self._is_open = True

    def shut(self) -> None:
        """Takes no more records; those inside are still delivered."""
        self._is_open = False

    def deliver(self, target: Target) -> None:
        """Brings the oldest records to the target, as many as it takes at once.

        Raises:
            SinkError: if the target did not take them; they are kept.
        """
        if self._spool and not self._spool.is_empty:
            self.store()
            self._replay(self._spool, target)
        elif self._chunk or self._queue:
            self._send(target)
        elif not self._is_open and self._cursor.sequence < self._end:
            gap = last_gap(self.stream, self._cursor, self._end, self._last_id)
            target.deliver(self.stream, [gap])
            self._cursor = Cursor(self._end, self._cursor.id, self._cursor.mark)

    def store(self) -> None:
        """Puts everything in memory on disk, if there is a spool."""
        if self._spool is None:
            return
        with self._lock:
            if not self._chunk and not self._queue:
                return
        if self._spool.is_empty and not self._spool.begin(self._cursor):
            return
        with self._lock:
            self._chunk.extend(self._queue)
            self._queue.clear()
        stored = sum(self._spool.append(record) for record in self._chunk)
        with self._lock:
            self._chunk = []
            self._counts = replace(self._counts, spooled=self._counts.spooled + stored)

    def sync(self, now_seconds: float) -> None:
        """Forces what was stored to the disk, if that is due."""
        if self._spool:
            self._spool.sync(now_seconds)

    def close(self) -> None:
        """Stores what is under way and frees the spool; without a spool it is lost."""
        self.shut()
        self.store()
        with self._lock:
            self._overflown += len(self._queue) + len(self._chunk)
            self._queue.clear()
            self._chunk = []
        if self._spool:
            self._spool.close()

    def _replay(self, spool: Spool, target: Target) -> None:
        records = spool.peek(target.chunk)
        if not records:
            return
        target.deliver(self.stream, messages_of(self.stream, self._cursor, records))
        self._cursor = self._cursor.past(records[-1])
        spool.ack(len(records), self._cursor)
        with self._lock:
            self._counts = replace(self._counts, replayed=self._counts.replayed + len(records))

    def _send(self, target: Target) -> None:
        with self._lock:
            while self._queue and len(self._chunk) < target.chunk:
                self._chunk.append(self._queue.popleft())
        target.deliver(self.stream, messages_of(self.stream, self._cursor, self._chunk))
        with self._lock:
            self._cursor = self._cursor.past(self._chunk[-1])
            self._counts = replace(self._counts, acked=self._counts.acked + len(self._chunk))
            self._chunk = []
