"""Rows that are made once and read from disk again and again, one file for each name."""

import fcntl
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = dict[str, NDArray[Any]]


def write_kept(
    folder: Path, count: int, batch: int, rows_of: Callable[[Sequence[int]], Rows]
) -> None:
    """Writes rows batch by batch; the folder appears when all are there.

    Runs that want the same rows at once wait for the one that makes them.

    Args:
        folder: whose `NAME.npy` hold `count` rows each.
        count: of rows.
        batch: rows made at a time.
        rows_of: their numbers to their values by name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _write(folder, count, batch, rows_of)


def read_kept(folder: Path) -> Rows:
    """What `write_kept` wrote, read row by row."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def _write(folder: Path, count: int, batch: int, rows_of: Callable[[Sequence[int]], Rows]) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files: dict[str, Any] = {}
    for start in range(0, count, batch):
        for name, values in rows_of(range(start, min(start + batch, count))).items():
            if name not in files:  # made once: making a file anew empties it
                files[name] = _new_file(partial / f"{name}.npy", count, values)
            files[name][start : start + len(values)] = values
    for file in files.values():
        file.flush()
    partial.rename(folder)


def _new_file(path: Path, count: int, rows: NDArray[Any]) -> Any:
    shape = (count, *rows.shape[1:])
    return np.lib.format.open_memmap(path, mode="w+", dtype=rows.dtype, shape=shape)
