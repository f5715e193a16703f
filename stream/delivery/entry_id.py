"""Ids under which results are delivered: they follow from the frame, and always rise."""

from stream.frame import Frame

EPOCH_BITS = 40
"""An entry's number is epoch * 2^40 + frame index: unique in a stream's life of 16 million epochs,
and the plain frame index in the first one."""

EntryId = tuple[int, int]
"""(capture time in ms, number): `<ms>-<number>` in Redis."""

NO_ENTRY: EntryId = (0, 0)
"""Lies before every id."""


def next_id(frame: Frame, last: EntryId) -> EntryId:
    """The id of a frame's result: from the frame, or the one after `last` if that is not later."""
    wanted = (capture_ms(frame), (frame.epoch << EPOCH_BITS) + frame.index)
    return max(wanted, id_after(last))


def id_after(entry: EntryId) -> EntryId:
    """The next id."""
    return entry[0], entry[1] + 1


def id_before(entry: EntryId) -> EntryId:
    """An id that lies before: the one just before, if it can be told."""
    ms, number = entry
    return (ms, number - 1) if number else (max(ms - 1, 0), 0)


def capture_ms(frame: Frame) -> int:
    """When the frame left the decoder, in milliseconds of Unix time."""
    return round(frame.capture_seconds * 1000)


def id_text(entry: EntryId) -> str:
    """As Redis writes it."""
    return f"{entry[0]}-{entry[1]}"
