"""Records made up for tests of the delivery."""

from stream.delivery.entry_id import NO_ENTRY
from stream.delivery.record import Record, record_of
from tests.results import result_of


def record(sequence: int, epoch: int = 0, padding: int = 0) -> Record:
    """The record of frame `sequence`, its line longer by `padding`."""
    made = record_of(result_of(sequence, epoch=epoch), NO_ENTRY)
    return Record(sequence, made.id, made.mark, made.line + " " * padding)
