"""Whether a file is still the one that was read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What changes when a file is replaced, without reading all of it."""

    size_bytes: int
    modified_ns: int
    head_sha256: str
    """Of its first 64 KiB."""


def fingerprint_of(path: Path) -> Fingerprint | None:
    """Of the file as it is now; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        status = path.stat()
    except OSError:
        return None
    return Fingerprint(status.st_size, status.st_mtime_ns, hashlib.sha256(head).hexdigest())
