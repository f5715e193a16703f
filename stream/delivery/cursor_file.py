"""How far a spool was delivered, on disk: some bytes that are overwritten in place.

In place, so that a full disk does not stop it. One write within a sector is there as a whole or not
at all when the process is killed; after a power cut the checksum tells.
"""

import os
import struct
import zlib
from pathlib import Path

from stream.delivery.record import Cursor
from stream.wire_gap import FrameMark

_CRC = struct.Struct("<I")
_BODY = struct.Struct("<QQQ?IQq")


class CursorFile:
    """Owns the descriptor."""

    def __init__(self, path: Path) -> None:
        """Opens the file, making it if there is none.

        Raises:
            OSError: if it cannot be opened.
        """
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> Cursor | None:
        """What was written last; None if nothing was, or it is not whole.

        Raises:
            OSError: if it cannot be read.
        """
        found = os.pread(self._descriptor, _CRC.size + _BODY.size, 0)
        body = found[_CRC.size :]
        if len(body) < _BODY.size or _CRC.unpack_from(found)[0] != zlib.crc32(body):
            return None
        sequence, ms, number, has_mark, epoch, frame, captured = _BODY.unpack(body)
        mark = FrameMark(epoch=epoch, frame=frame, captured_ms=captured) if has_mark else None
        return Cursor(sequence, (ms, number), mark)

    def write(self, cursor: Cursor) -> None:
        """Replaces what is there.

        Raises:
            OSError: if it cannot be written.
        """
        mark = cursor.mark
        numbers = (mark.epoch, mark.frame, mark.captured_ms) if mark else (0, 0, 0)
        body = _BODY.pack(cursor.sequence, *cursor.id, mark is not None, *numbers)
        os.pwrite(self._descriptor, _CRC.pack(zlib.crc32(body)) + body, 0)

    def close(self) -> None:
        """Frees the descriptor."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Deletes the file.

        Raises:
            OSError: if it cannot be deleted.
        """
        self._path.unlink(missing_ok=True)
