"""A folder of JSONL files as a target: the lines of all streams, in the order they came."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream.clock import Clock
from stream.delivery.record import Message
from stream.delivery.rotating_files import DEFAULT_RULE, RotationRule, finish, mend, new_file
from stream.errors import SinkAwayError, SinkError
from stream.sinks.line_file import LineFile
from stream.sinks.partial_file import PartialFile
from stream.sinks.write_errors import write_error

CHUNK = 256


@dataclass(slots=True)
class _Growing:
    file: PartialFile
    lines: LineFile
    opened_seconds: float
    size_bytes: int = 0


class JsonlTarget:
    """Implements `Target`: a line for every result, and for every gap (`stream.wire_gap`).

    What was taken is with the operating system, and forced to the disk when its file is complete.
    """

    def __init__(self, folder: Path, clock: Clock, rule: RotationRule = DEFAULT_RULE) -> None:
        """Makes the folder if there is none, and mends what a killed process left in it.

        Raises:
            SinkError: if it cannot be written.
        """
        self._folder, self._clock, self._rule = folder, clock, rule
        self._growing: _Growing | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mend(folder, rule)
        except SinkError:
            raise
        except OSError as error:
            raise write_error(str(folder), error, "nothing was written") from error

    @property
    def chunk(self) -> int:
        """See `Target.chunk`."""
        return CHUNK

    def deliver(self, stream: str, messages: Sequence[Message]) -> None:
        """See `Target.deliver`; a full disk takes nothing from anybody."""
        text = "\n".join(message.line for message in messages)
        try:
            self._complete_if_due()
            growing = self._growing or self._open()
            growing.lines.append(text)
        except OSError as error:  # a SinkError is one too
            raise SinkAwayError(f"jsonl files: {error}") from error
        growing.size_bytes += len(text) + 1

    def forget(self, stream: str) -> None:
        """See `Target.forget`."""

    def close(self) -> None:
        """See `Target.close`; the last file gets its name."""
        with suppress(OSError):  # it keeps `.partial`, and the next process mends it
            self._complete()

    def _open(self) -> _Growing:
        file = new_file(self._folder, self._clock.wall())
        lines = LineFile.open(file.partial, str(file.final), "the lines before are kept in it")
        self._growing = _Growing(file, lines, self._clock.monotonic())
        return self._growing

    def _complete_if_due(self) -> None:
        growing, rule = self._growing, self._rule
        if growing is None:
            return
        age = self._clock.monotonic() - growing.opened_seconds
        if growing.size_bytes >= rule.max_bytes or age >= rule.max_seconds:
            self._complete()

    def _complete(self) -> None:
        growing, self._growing = self._growing, None
        if growing is not None:
            growing.lines.close()
            finish(growing.file, self._rule)
