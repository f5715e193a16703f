"""The manifest of a job on disk; a kill at any moment leaves one that can be read.

Changes are appended, a whole line in one write; a line that a kill cut in two is left out. When a
job is opened the file is written anew, with one line an item, and takes its name by renaming.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from stream.errors import ConfigError, SinkError
from stream.jobs.manifest import Item, JobManifest, item_line, manifest_of, settings_line
from stream.sinks.line_file import LineFile
from stream.sinks.partial_file import PartialFile
from stream.sinks.write_errors import write_error

NAME = "manifest.jsonl"
LOCK_NAME = ".lock"


def read_manifest(out: Path) -> JobManifest | None:
    """The manifest of the job in a folder; None if there is none.

    Raises:
        ConfigError: if it makes no sense.
        SinkError: if it cannot be read.
    """
    try:
        text = (out / NAME).read_text("ascii", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise write_error(str(out / NAME), error, "nothing was changed") from error
    whole, _, _cut = text.rpartition("\n")
    return manifest_of(whole.splitlines())


class ManifestFile:
    """The manifest of a job that is worked on, by one process at a time."""

    def __init__(self, out: Path, prepare: Callable[[JobManifest | None], JobManifest]) -> None:
        """Takes the folder, making it if there is none.

        Args:
            out: folder of the job.
            prepare: from the manifest that is there, if any, to the one to work on.

        Raises:
            ConfigError: if another process works there, or the manifest makes no sense.
            SinkError: if it cannot be written.
        """
        self._path = out / NAME
        self._lock = _locked(out)
        try:
            self.manifest = prepare(read_manifest(out))
            self._rewrite()
            self._lines = LineFile.open(self._path, str(self._path), "the lines before are kept")
        except BaseException:
            os.close(self._lock)
            raise

    def record(self, item: Item) -> None:
        """Adds what is known of an item now.

        Raises:
            SinkError: if it cannot be written.
        """
        self._lines.append(item_line(item))
        self.manifest = self.manifest.with_items([item])

    def close(self) -> None:
        """Lets others work there."""
        with suppress(SinkError):
            self._lines.close()
        os.close(self._lock)

    def _rewrite(self) -> None:
        file = PartialFile(self._path)
        manifest = self.manifest
        lines = [settings_line(manifest.settings), *map(item_line, manifest.items.values())]
        try:
            file.partial.write_text("".join(f"{line}\n" for line in lines), "ascii")
        except OSError as error:
            raise write_error(str(self._path), error, "nothing was changed") from error
        file.finish()


def _locked(out: Path) -> int:
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise write_error(str(out), error, "nothing was written") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigError(
            f"{out}: another process works on this job; wait for it, or give another folder"
        ) from error
    return lock
