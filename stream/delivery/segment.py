"""The bytes of a spool's file: records one after the other, each with its own checksum.

A record is::

    magic 4 · crc32 4 · length 4 · sequence 8 · id 8 + 8 · epoch 4 · frame 8 · captured ms 8 · line

The checksum covers everything after it, the length everything after the length. Pure.
"""

import struct
import zlib
from collections.abc import Iterator

from stream.delivery.record import Record
from stream.wire_gap import FrameMark

MAGIC = b"\xa5psr"
"""Its first byte never stands in a line, which is ASCII."""
_PREFIX = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")
_HEADER = struct.Struct("<QQQIQq")
_CHECKED_FROM = 8
MAX_BODY_BYTES = 1 << 24
"""A longer length is damage: the line of a crowd of 30 has some 30 kB."""


def pack(record: Record) -> bytes:
    """The bytes of a record."""
    mark = record.mark
    numbers = (record.sequence, *record.id, mark.epoch, mark.frame, mark.captured_ms)
    body = _HEADER.pack(*numbers) + record.line.encode("ascii")
    checked = _LENGTH.pack(len(body)) + body
    return MAGIC + _LENGTH.pack(zlib.crc32(checked)) + checked


def unpack(contents: bytes) -> Iterator[tuple[int, Record]]:
    """All whole records, each with the place where it ends; damaged stretches are left out."""
    place = contents.find(MAGIC)
    while place >= 0:
        end = _record_end(contents, place)
        if end is None:
            place = contents.find(MAGIC, place + 1)
            continue
        yield end, _record(contents[place + _PREFIX.size : end])
        place = contents.find(MAGIC, end)


def _record_end(contents: bytes, place: int) -> int | None:
    """Where the record at `place` ends; None if it is cut or its checksum is wrong."""
    if place + _PREFIX.size > len(contents):
        return None
    _magic, crc, length = _PREFIX.unpack_from(contents, place)
    end = place + _PREFIX.size + length
    if not _HEADER.size <= length <= MAX_BODY_BYTES or end > len(contents):
        return None
    return end if zlib.crc32(memoryview(contents)[place + _CHECKED_FROM : end]) == crc else None


def _record(body: bytes) -> Record:
    sequence, ms, number, epoch, frame, captured = _HEADER.unpack_from(body)
    mark = FrameMark(epoch=epoch, frame=frame, captured_ms=captured)
    return Record(sequence, (ms, number), mark, body[_HEADER.size :].decode("ascii"))
