"""Places where writing fails for real."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing

TINY_DISK_BYTES = 64 * 1024


def _mounted(folder: Path, options: str) -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 KiB."""
    folder = tmp_path / "tiny_disk"
    folder.mkdir()
    if not _mounted(folder, f"size={TINY_DISK_BYTES}"):
        missing("a disk of its own can only be mounted by root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to: read-only disk for root, permissions for others."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    if not _mounted(folder, "size=64k,ro"):
        missing("root may write everywhere, and no read-only disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
