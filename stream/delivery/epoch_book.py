"""The last epoch of every stream, kept over restarts.

So (stream, epoch, frame) names a frame for ever.
"""

import json
import logging
from pathlib import Path

from stream.sinks.write_errors import write_error

log = logging.getLogger(__name__)


class EpochBook:
    """One small file, replaced as a whole; streams that are gone stay in it, in some bytes each."""

    def __init__(self, path: Path) -> None:
        """Reads the file if there is one; one that makes no sense is logged and begun anew."""
        self._path = path
        self._last: dict[str, int] = _read(path)

    def last(self, stream: str) -> int:
        """The highest epoch that the stream ever reached; -1 if it is new."""
        return self._last.get(stream, -1)

    def reached(self, stream: str, epoch: int) -> None:
        """The stream is in that epoch now; written down before its first result is delivered.

        Raises:
            SinkError: if it cannot be written.
        """
        if epoch <= self.last(stream):
            return
        self._last[stream] = epoch
        new = self._path.with_name(self._path.name + ".partial")
        try:
            new.write_text(json.dumps(self._last), "ascii")
            new.replace(self._path)
        except OSError as error:
            raise write_error(str(self._path), error, "epochs may repeat") from error


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text("ascii"))
        return {str(stream): int(epoch) for stream, epoch in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("epochs_unreadable", extra={"path": str(path), "cause": str(error)})
        return {}
