"""The spools of one sink, one folder a stream; one process at a time may own them."""

import fcntl
import os
from pathlib import Path
from urllib.parse import quote, unquote

from stream.delivery.spool import DEFAULT_LIMITS, Spool, SpoolLimits
from stream.errors import ConfigError, SinkError
from stream.sinks.write_errors import write_error

LOCK_NAME = "lock"
MAX_NAME = 200
"""File systems take names of 255 bytes."""


class SpoolFolder:
    """Owns the folder until `close`."""

    def __init__(self, folder: Path, limits: SpoolLimits = DEFAULT_LIMITS) -> None:
        """Makes the folder if there is none, and locks it.

        Raises:
            SinkError: if it cannot be used, or another process does.
        """
        self._folder, self._limits = folder, limits
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise write_error(str(folder), error, "the spool cannot be used") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SinkError(
                f"spool {folder}: another process uses it; stop that one or choose another folder"
            ) from error

    def streams(self) -> list[str]:
        """The streams of which something may wait, sorted."""
        folders = (path for path in self._folder.glob("+*") if path.is_dir())
        return sorted(
            unquote(path.name.removeprefix("+"), errors="surrogateescape") for path in folders
        )

    def open(self, stream: str) -> Spool:
        """The spool of a stream.

        Raises:
            SinkError: if it cannot be read or written.
            ConfigError: if no folder can be named after the stream.
        """
        # The mark in front keeps names like `..` from being anything but names.
        name = "+" + quote(stream, safe=" ", errors="surrogateescape")
        if len(name) > MAX_NAME:
            raise ConfigError(
                f"stream {stream[:40]!r}...: its name is too long for a spool; use "
                f"{MAX_NAME} characters or less (others than letters and digits count three times)"
            )
        return Spool(self._folder / name, self._limits)

    def close(self) -> None:
        """Gives the folder free for others."""
        os.close(self._lock)
