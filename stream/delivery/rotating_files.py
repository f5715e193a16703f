"""A folder of JSONL files, each closed after a time or size; what a killed process left is mended.

The file that grows is called `results-<UTC time>.jsonl.partial`; it loses the ending when it is
complete and safe on disk. Compressed files follow the same rule.
"""

import gzip
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stream.errors import ConfigError
from stream.sinks.partial_file import PartialFile

STEM = "results"
PLAIN, PACKED, PARTIAL = ".jsonl", ".jsonl.gz", ".partial"
PACK_LEVEL = 3
"""A quarter of the size at some 150 MB/s; higher levels gain little on numbers."""


@dataclass(frozen=True, slots=True)
class RotationRule:
    """When a file is complete, and what becomes of old ones."""

    max_bytes: int = 64 << 20
    max_seconds: float = 3600.0
    """Checked when the next result comes."""
    compress: bool = False
    """Complete files are packed with gzip."""
    keep_files: int | None = None
    """Only so many complete files stay, the oldest go; None keeps all."""

    def __post_init__(self) -> None:
        """Refuses numbers that make no files."""
        keeps = self.keep_files is None or self.keep_files >= 1
        if self.max_bytes < 1 or self.max_seconds <= 0 or not keeps:
            raise ConfigError(
                "jsonl files: max_bytes and keep_files must be 1 or more and max_seconds above 0, "
                f"got {self.max_bytes}, {self.keep_files} and {self.max_seconds}"
            )


DEFAULT_RULE = RotationRule()


def new_file(folder: Path, wall_seconds: float) -> PartialFile:
    """A name that no file in the folder has; names sort by time."""
    taken = {path.name.partition(PLAIN)[0] for path in folder.glob(f"{STEM}-*")}
    moment = datetime.fromtimestamp(wall_seconds, UTC)
    while (name := _name(moment)) in taken:
        moment += timedelta(milliseconds=1)
    return PartialFile(folder / (name + PLAIN))


def _name(moment: datetime) -> str:
    return f"{STEM}-{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


def mend(folder: Path, rule: RotationRule) -> None:
    """Completes what a killed process left: a cut line goes, the file gets its name.

    Raises:
        OSError: if a file cannot be read, written or renamed.
        SinkError: likewise.
    """
    for path in sorted(folder.glob(f"{STEM}-*{PACKED}{PARTIAL}")):
        path.unlink()
    for path in sorted(folder.glob(f"{STEM}-*{PLAIN}{PARTIAL}")):
        _cut_to_whole_lines(path)
        finish(PartialFile(path.with_name(path.name.removesuffix(PARTIAL))), rule)
    if rule.compress:
        for path in sorted(folder.glob(f"{STEM}-*{PLAIN}")):
            _pack(path)
    _drop_old(folder, rule)


def finish(file: PartialFile, rule: RotationRule) -> None:
    """Gives a complete file its name, packs it if asked to, and drops the oldest ones.

    Raises:
        OSError: if a file cannot be read, written or renamed.
        SinkError: likewise.
    """
    if not file.partial.stat().st_size:
        file.partial.unlink()
        return
    file.finish()
    if rule.compress:
        _pack(file.final)
    _drop_old(file.final.parent, rule)


def _cut_to_whole_lines(path: Path) -> None:
    contents = path.read_bytes()
    whole_bytes = contents.rfind(b"\n") + 1
    if whole_bytes < len(contents):
        os.truncate(path, whole_bytes)


def _pack(path: Path) -> None:
    packed = PartialFile(path.with_name(path.name.removesuffix(PLAIN) + PACKED))
    if not packed.final.exists():
        with (
            path.open("rb") as plain,
            packed.partial.open("wb") as raw,
            # Without a name and a time in it the same lines give the same bytes.
            gzip.GzipFile("", "wb", PACK_LEVEL, raw, mtime=0) as stream,
        ):
            shutil.copyfileobj(plain, stream, 1 << 20)
        packed.finish()
    path.unlink()


def _drop_old(folder: Path, rule: RotationRule) -> None:
    if rule.keep_files is None:
        return
    complete = sorted([*folder.glob(f"{STEM}-*{PLAIN}"), *folder.glob(f"{STEM}-*{PACKED}")])
    for path in complete[: -rule.keep_files]:
        path.unlink()
