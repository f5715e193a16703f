"""Built engines on disk, found again by what they were built from.

::

    ROOT/engines/<sha256 of the key>/   entry.json + the files of the builder
    ROOT/certificates/                  see engines/certification/shelf.py
    ROOT/locks/                         one empty file a key, locked while it is being built

An entry is written beside its place and renamed into it, so a reader sees all of it or nothing.
A builder holds the key's lock; the system frees it when the process ends, however it ends. Load
only from a store of your own: a compiled engine can carry code.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType

from stream.errors import EngineError

log = logging.getLogger(__name__)

ENTRY_NAME = "entry.json"
WriteFiles = Callable[[Path], Mapping[str, str]]
"""Writes an engine's files into a folder; returns what to note beside them (seconds, warnings)."""


@dataclass(frozen=True, slots=True)
class BuildKey:
    """What an engine is built from; two that differ in anything are two entries."""

    onnx_sha256: str
    backend: str
    version: str
    precision: str
    target: str
    """The device it is built for, or compute capabilities, or `portable`."""
    profile: str
    """Canvas and batch sizes."""
    flags: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For `entry.json`."""
        fields = ("onnx_sha256", "backend", "version", "precision", "target", "profile")
        return {name: getattr(self, name) for name in fields} | {"flags": dict(self.flags)}

    @property
    def digest(self) -> str:
        """sha256 of all fields; the name of the entry."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A built engine that was found whole."""

    folder: Path
    notes: Mapping[str, str]

    def file(self, name: str) -> Path:
        """A file of the builder."""
        return self.folder / name


def default_store_root() -> Path:
    """`posestream` in the user's cache folder (XDG base directory specification)."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "posestream"


class EngineStore:
    """Engines built on this machine; safe with several builders and readers at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: BuildKey) -> StoreEntry | None:
        """The whole entry of a key; None if there is none.

        A truncated or altered entry counts as none: `engine_store_damaged` is logged and the next
        `build` replaces it.
        """
        folder = self._folder(key)
        if not folder.is_dir():
            return None
        try:
            return _whole_entry(folder, key)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("engine_store_damaged", extra={"entry": str(folder), "reason": str(error)})
            return None

    def profiles(self, key: BuildKey) -> Iterator[tuple[BuildKey, StoreEntry]]:
        """Whole entries that differ from the key in their profile at most, in order of profile."""
        for known in sorted(self._known_keys(), key=lambda one: one.profile):
            if replace(known, profile=key.profile) == key and (entry := self.find(known)):
                yield known, entry

    def build(self, key: BuildKey, write: WriteFiles) -> StoreEntry:
        """The entry of a key; `write` is called if there is none, by one process at a time.

        Raises:
            EngineError: if the store cannot be written; `write` may raise its own.
        """
        with self._locked(key):
            found = self.find(key)  # another builder may have been first
            return found or self._write(key, write)

    def remove(self, key: BuildKey) -> None:
        """Forgets an entry; nothing happens if there is none."""
        with self._locked(key):
            self._discard(self._folder(key))

    def _write(self, key: BuildKey, write: WriteFiles) -> StoreEntry:
        folder = self._folder(key)
        with _as_engine_error(self.root):
            draft = Path(mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            notes = dict(write(draft))
            with _as_engine_error(self.root):
                _seal(draft, key, notes)
                self._discard(folder)
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)  # gone already if all went well
        return StoreEntry(folder, notes)

    def _discard(self, folder: Path) -> None:
        if folder.exists():
            # Renamed first: nobody may find half of it.
            gone = Path(mkdtemp(prefix=".gone-", dir=folder.parent))
            folder.rename(gone / "entry")
            shutil.rmtree(gone)

    def _folder(self, key: BuildKey) -> Path:
        return self.root / "engines" / key.digest

    def _known_keys(self) -> Iterator[BuildKey]:
        for path in self.root.glob(f"engines/*/{ENTRY_NAME}"):
            try:
                yield BuildKey(**json.loads(path.read_text(encoding="utf-8"))["key"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning(
                    "engine_store_damaged", extra={"entry": str(path), "reason": str(error)}
                )

    @contextmanager
    def _locked(self, key: BuildKey) -> Iterator[None]:
        with _as_engine_error(self.root):
            for name in ("engines", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            lock = (self.root / "locks" / key.digest).open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def file_sha256(path: Path) -> str:
    """Of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole_entry(folder: Path, key: BuildKey) -> StoreEntry:
    entry = json.loads((folder / ENTRY_NAME).read_text(encoding="utf-8"))
    if entry["key"] != key.as_json():
        raise ValueError("it was built from something else")
    for name, sha256 in entry["files"].items():
        if file_sha256(folder / name) != sha256:
            raise ValueError(f"{name} was cut short or altered")
    return StoreEntry(folder, MappingProxyType(dict(entry["notes"])))


def _seal(draft: Path, key: BuildKey, notes: Mapping[str, str]) -> None:
    """Writes `entry.json` and sees everything to the disk."""
    files = sorted(path for path in draft.iterdir() if path.is_file())
    entry = {
        "key": key.as_json(),
        "files": {path.name: file_sha256(path) for path in files},
        "notes": dict(notes),
    }
    (draft / ENTRY_NAME).write_text(json.dumps(entry, indent=1), encoding="utf-8")
    draft.chmod(0o755)
    for path in (*files, draft / ENTRY_NAME, draft):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _as_engine_error(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"engine store {root}: cannot write {error.filename}: {error.strerror}; free some "
            "space, or choose another folder with --cache"
        ) from error
