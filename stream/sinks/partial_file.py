"""A file that gets its name only when it is whole: until then it is called `NAME.partial`."""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream.errors import SinkError
from stream.sinks.write_errors import write_error

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartialFile:
    """The final and the preliminary name of an output file."""

    final: Path

    @property
    def partial(self) -> Path:
        """Where the output is written until it is whole."""
        # A link is followed, so that the rename replaces the file and not the link.
        real = Path(os.path.realpath(self.final))
        return real.with_name(real.name + ".partial")

    def create(self) -> None:
        """Makes the preliminary file, empty: what cannot be written shows before the first frame.

        Raises:
            SinkError: if the folder is missing or not writable, or the name is taken by something
                that is no regular file.
        """
        if self.final.exists() and not self.final.is_file():
            raise SinkError(
                f"cannot write {self.final}: it exists and is no regular file; choose another name"
            )
        try:
            self.partial.write_bytes(b"")
        except OSError as error:
            raise write_error(str(self.final), error, "nothing was written") from error

    def finish(self) -> None:
        """Gives the file its final name, replacing an older one, once it is safe on disk.

        Raises:
            SinkError: if the disk refuses.
        """
        try:
            descriptor = os.open(self.partial, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.partial.replace(os.path.realpath(self.final))
        except OSError as error:
            raise write_error(str(self.final), error, self.kept) from error

    def keep(self) -> None:
        """Leaves the preliminary file and logs it; removes it if nothing was written to it."""
        with suppress(OSError):
            size_bytes = self.partial.stat().st_size
            if size_bytes == 0:
                self.partial.unlink()
                return
            fields = {"path": str(self.partial), "size_bytes": size_bytes}
            log.warning("output_kept_partial", extra=fields)

    @property
    def kept(self) -> str:
        """What an error message says about the preliminary file."""
        return f"results so far are kept in {self.partial}"
