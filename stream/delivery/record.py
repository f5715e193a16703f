"""What travels to a sink: results with their place in the sequence, and notes of gaps."""

from dataclasses import dataclass

from stream.delivery.entry_id import NO_ENTRY, EntryId, capture_ms, id_after, id_before, next_id
from stream.frame import Frame, FrameResult
from stream.wire import encode
from stream.wire_gap import FrameMark, encode_gap


@dataclass(frozen=True, slots=True)
class Record:
    """One result of a stream on its way into one sink."""

    sequence: int
    """Counts the results of the stream that ever were on their way into this sink, from 1."""
    id: EntryId
    mark: FrameMark
    line: str
    """The result as text (`stream.wire`)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a sink: the line of a result, or that of a gap."""

    id: EntryId
    line: str
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream was delivered to a sink."""

    sequence: int
    """Of the record that comes next if none is missing."""
    id: EntryId = NO_ENTRY
    """Of the last record delivered."""
    mark: FrameMark | None = None
    """Its frame; None if nothing is known of it."""

    def past(self, record: Record) -> "Cursor":
        """After that record was delivered."""
        return Cursor(record.sequence + 1, record.id, record.mark)


def record_of(result: FrameResult, last: EntryId) -> Record:
    """The record of a result that follows one with the id `last`; the lane gives the sequence.

    Raises:
        PoseError: if no reader could make sense of the result; see `stream.wire.encode`.
    """
    frame = result.frame
    return Record(0, next_id(frame, last), frame_mark(frame), encode(result))


def frame_mark(frame: Frame) -> FrameMark:
    """What names a frame in a gap."""
    return FrameMark(epoch=frame.epoch, frame=frame.index, captured_ms=capture_ms(frame))


def messages_of(stream: str, cursor: Cursor, records: list[Record]) -> list[Message]:
    """The records as a sink gets them, with a gap wherever the sequence jumps.

    The same records after the same cursor give the same messages, so a retry can be recognised.
    """
    messages = []
    for record in records:
        if record.sequence > cursor.sequence:
            messages.append(_gap(stream, cursor, record))
        messages.append(Message(record.id, record.line))
        cursor = cursor.past(record)
    return messages


def last_gap(stream: str, cursor: Cursor, end: int, last: EntryId) -> Message:
    """The gap at the end of a closed stream: all from the cursor to before `end`, up to `last`."""
    line = encode_gap(stream, end - cursor.sequence, cursor.mark, None)
    return Message(max(id_after(cursor.id), last), line, is_gap=True)


def _gap(stream: str, cursor: Cursor, following: Record) -> Message:
    # The ids of what is missing lie between those of its neighbours, so there is room for one. It
    # is the highest: after a kill the cursor may lie before what was delivered (`Spool.cursor`).
    entry = max(id_after(cursor.id), id_before(following.id))
    missing = following.sequence - cursor.sequence
    line = encode_gap(stream, missing, cursor.mark, following.mark)
    return Message(entry, line, is_gap=True)
