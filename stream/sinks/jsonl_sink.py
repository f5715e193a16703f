"""Results as lines of JSON: to a file at the end, to a growing file, to standard output."""

from contextlib import suppress
from pathlib import Path

from stream.errors import SinkError
from stream.frame import FrameResult
from stream.sinks.line_file import LineFile
from stream.sinks.partial_file import PartialFile
from stream.wire import encode


class JsonlSink:
    """One line a frame, for sources with an end.

    Lines go to `FILE.partial`, which gets its name, and replaces an older file, on `close`.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            SinkError: if it cannot be written there.
        """
        self._file = PartialFile(path)
        self._file.create()
        self._lines = LineFile.open(self._file.partial, str(path), self._file.kept)

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        self._lines.append(encode(result))

    def close(self) -> None:
        """See `Sink.close`."""
        if self._lines.is_open:
            self._lines.close()
            self._file.finish()

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        if self._lines.is_open:
            with suppress(SinkError):
                self._lines.close()
            self._file.keep()


class GrowingJsonlSink:
    """One line a frame as it happens: appended to a file, for sources without an end, or printed.

    What was published is there at once, so that `close` and `abandon` leave the same.
    """

    def __init__(self, lines: LineFile) -> None:
        lines.end_cut_line()
        self._lines = lines

    def publish(self, result: FrameResult) -> None:
        """See `Sink.publish`."""
        self._lines.append(encode(result))

    def close(self) -> None:
        """See `Sink.close`."""
        self._lines.close()

    def abandon(self) -> None:
        """See `Sink.abandon`."""
        with suppress(SinkError):
            self._lines.close()


def append_jsonl(path: Path) -> GrowingJsonlSink:
    """A sink that appends to `path`, creating it.

    Raises:
        SinkError: if it cannot be written there.
    """
    return GrowingJsonlSink(LineFile.open(path, str(path), "the lines before are kept in it"))


def print_jsonl() -> GrowingJsonlSink:
    """A sink that writes to standard output.

    Raises:
        SinkError: if standard output is closed.
    """
    return GrowingJsonlSink(LineFile.stdout())
