"""One file of a spool: grown record by record, read as a whole, deleted as a whole."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream.delivery.entry_id import EntryId
from stream.delivery.record import Record
from stream.delivery.segment import pack, unpack

SUFFIX = ".segment"


@dataclass(frozen=True, slots=True)
class SpoolSegment:
    """What is known of a file without reading it again."""

    path: Path
    size_bytes: int
    waiting: int
    """Records in it that were not delivered when it was written or found."""
    end: int
    """The sequence after its last record."""
    last_id: EntryId

    @property
    def first(self) -> int:
        """The sequence that its first record had when it was written."""
        return int(self.path.stem)

    def grown(self, record: Record, size_bytes: int) -> "SpoolSegment":
        """With one record more."""
        return SpoolSegment(
            self.path,
            self.size_bytes + size_bytes,
            self.waiting + 1,
            record.sequence + 1,
            record.id,
        )

    def read(self, first: int) -> list[Record]:
        """The whole records from the sequence `first` on; none if the file cannot be read."""
        try:
            contents = self.path.read_bytes()
        except OSError:
            return []
        return [record for _, record in unpack(contents) if record.sequence >= first]

    def remove(self) -> None:
        """Deletes the file."""
        with suppress(OSError):
            self.path.unlink()


def recover_segments(folder: Path, first: int) -> Iterator[SpoolSegment]:
    """What an earlier process left, oldest first; a cut tail is cut off, empty files are deleted.

    Args:
        folder: of the spool.
        first: sequence of the first record that was not delivered.

    Raises:
        OSError: if a file cannot be read, cut or deleted.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        contents = path.read_bytes()
        found = [(end, record) for end, record in unpack(contents) if record.sequence >= first]
        if not found:
            path.unlink()
            continue
        whole_bytes, last = found[-1]
        if whole_bytes < len(contents):
            os.truncate(path, whole_bytes)
        yield SpoolSegment(path, whole_bytes, len(found), last.sequence + 1, last.id)


class GrowingSegment:
    """Owns the file that records are appended to."""

    def __init__(self, folder: Path, first: int) -> None:
        """Makes the file; `first` is the sequence of the first record, and files sort by it.

        Raises:
            OSError: if it cannot be made.
        """
        self._path = folder / f"{first:020d}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(self._path, flags, 0o600)
        self.segment = SpoolSegment(self._path, 0, 0, first, (0, 0))

    def append(self, record: Record) -> None:
        """Adds a record; if that fails, none of it stays in the file.

        Raises:
            OSError: if it cannot be written.
        """
        contents = pack(record)
        try:
            _write_all(self._descriptor, contents)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.segment.size_bytes)
            raise
        self.segment = self.segment.grown(record, len(contents))

    def sync(self) -> None:
        """Waits until all is on the disk itself.

        Raises:
            OSError: if the disk refuses.
        """
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Frees the descriptor."""
        with suppress(OSError):
            os.close(self._descriptor)


def _write_all(descriptor: int, contents: bytes) -> None:
    rest = memoryview(contents)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
