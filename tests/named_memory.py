"""What of a process would stay in memory after its death: shared memory that has a name."""

import re
from pathlib import Path

FOLDER = "/dev/shm"  # noqa: S108 - where named shared memory is
NAMED = re.compile(rf"{FOLDER}/(.*)(?<! \(deleted\))$", re.MULTILINE)


def named_memory(pid: int | str) -> set[str]:
    """Names under /dev/shm that a process maps now; other processes' names do not count."""
    return set(NAMED.findall(Path(f"/proc/{pid}/maps").read_text("utf-8")))
