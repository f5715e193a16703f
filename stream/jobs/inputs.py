"""From files, folders and patterns to the videos of a job, each with a name of its own."""

import hashlib
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from stream.errors import ConfigError

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp", ".asf", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg",
        ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm",
        ".wmv", ".y4m",
    }
)  # fmt: skip
"""What is taken of a folder; a file that is named or matches a pattern is taken as it is."""
RESERVED = "manifest"


@dataclass(frozen=True, slots=True)
class Found:
    """A video, and what it would like its results to be called."""

    path: Path
    """Absolute, links followed: the same file is the same file however it was named."""
    wish: str
    """With slashes, relative to the folder of the results."""


def find_inputs(words: Sequence[str], out: Path, known: Container[str] = ()) -> list[Found]:
    """The videos that are meant, each once, in the order of the words; folders sorted by name.

    Args:
        words: files, folders, patterns.
        out: where the results go. What lies in it is left out: it may lie in a folder of videos.
        known: paths of files that may be gone.

    Raises:
        ConfigError: if a word names nothing; the message has all of them.
    """
    missing, found = [], dict[Path, Found]()
    for word in words:
        some = [one for one in _named(word) if not one.path.is_relative_to(out.resolve())]
        if not some and str(Path(word).resolve()) not in known:
            missing.append(word)
        for one in some:
            found.setdefault(one.path, one)
    if missing:
        raise ConfigError(
            f"no video at {', '.join(missing)}; give files, folders with videos "
            f"({', '.join(sorted(VIDEO_SUFFIXES)[:6])}, ...) or patterns such as 'clips/**/*.mp4'"
        )
    return list(found.values())


def allot_names(found: Iterable[Found], taken: Mapping[str, str]) -> dict[str, str]:
    """Path -> name of the results, for every input that has none in `taken` (path -> name).

    The first one gets its wish; a later one of the same name gets the place it comes from added,
    as a hash, which does not depend on what else there is.
    """
    # Folders on some disks do not tell capitals from small letters.
    names = {name.casefold() for name in (*taken.values(), RESERVED)}
    allotted = {}
    for one in found:
        path = str(one.path)
        if path in taken:
            continue
        name = one.wish
        if name.casefold() in names:
            place = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
            name = f"{one.wish}-{place}"
        names.add(name.casefold())
        allotted[path] = name
    return allotted


def _named(word: str) -> Iterator[Found]:
    path = Path(word)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield Found(path.resolve(), path.name)
    elif has_magic(word):
        for match in sorted(map(Path, glob(word, recursive=True))):  # noqa: PTH207 - any root
            if match.is_file():
                yield Found(match.resolve(), match.name)


def _in_folder(folder: Path) -> Iterator[Found]:
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in within.parts)
        if not hidden and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            yield Found(path.resolve(), within.as_posix())
