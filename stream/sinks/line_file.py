"""An open file to which whole lines are appended, without a buffer."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from stream.sinks.write_errors import closed_error, write_error


class LineFile:
    """Owns a file descriptor. A line is with the operating system when `append` returns.

    One write per frame costs some microseconds; in return a killed process loses nothing and a
    full disk shows at the line it hits.
    """

    def __init__(self, descriptor: int, target: str, kept: str) -> None:
        self._descriptor: int | None = descriptor
        self._target = target
        self._kept = kept
        self._whole_bytes: int | None = None
        """How much of a file of our own are whole lines; None if others may write to it too."""

    @classmethod
    def open(cls, path: Path, target: str, kept: str) -> Self:
        """Opens a file at its end, creating it; `target` and `kept` go into error messages.

        Raises:
            SinkError: if it cannot be opened.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise write_error(target, error, "nothing was written") from error
        lines = cls(descriptor, target, kept)
        lines._whole_bytes = os.fstat(descriptor).st_size
        return lines

    @classmethod
    def stdout(cls) -> Self:
        """Standard output, on a descriptor of its own: a broken pipe leaves `sys.stdout` clean.

        Raises:
            SinkError: if standard output is closed.
        """
        target = "standard output"
        try:
            return cls(os.dup(1), target, "the lines before were written")
        except OSError as error:
            raise write_error(target, error, "nothing was written") from error

    @property
    def is_open(self) -> bool:
        """False after `close`."""
        return self._descriptor is not None

    def append(self, line: str) -> None:
        """Writes an ASCII line and its line break; if that fails, none of it stays in the file.

        Raises:
            SinkError: if it cannot be written or the file is closed.
        """
        if self._descriptor is None:
            raise closed_error(self._target)
        try:
            self._write(self._descriptor, line.encode("ascii") + b"\n")
        except OSError as error:
            raise write_error(self._target, error, self._kept) from error

    def end_cut_line(self) -> None:
        """Ends a line that a crash had cut, so that the next one is not glued to it.

        Raises:
            SinkError: if the file cannot be read or written.
        """
        if self._descriptor is None or not self._whole_bytes:
            return
        if os.pread(self._descriptor, 1, self._whole_bytes - 1) != b"\n":
            self.append("")

    def close(self) -> None:
        """Frees the descriptor; a second call does nothing.

        Raises:
            SinkError: if the operating system could not store what it had taken.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            os.close(descriptor)
        except OSError as error:
            raise write_error(self._target, error, self._kept) from error

    def _write(self, descriptor: int, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            if self._whole_bytes is not None:
                with suppress(OSError):
                    os.ftruncate(descriptor, self._whole_bytes)
            raise
        if self._whole_bytes is not None:
            self._whole_bytes += len(line)
