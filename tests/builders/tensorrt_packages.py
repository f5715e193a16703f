"""TensorRT packages that tests build with, or hold names against."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY, missing

LEAN = REPOSITORY / ".tensorrt"
"""Each wheel of `tensorrt-lean` in a folder of its own: two versions do not fit one environment."""
LEAN_MODULE = "tensorrt_lean_bindings"
HOW = "run .ci/tensorrt_wheels"

PROGRAM = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
wanted = json.loads(sys.argv[2])
print(json.dumps([module.__version__, [
    f"{owner}.{name}" for owner, names in wanted.items() for name in names
    if not hasattr(getattr(module, owner, None), name)
]]))
"""


def need_rtx() -> None:
    """Skips without TensorRT-RTX; POSESTREAM_REQUIRE_ALL=1 forbids it."""
    if importlib.util.find_spec("tensorrt_rtx_bindings") is None:
        missing("TensorRT-RTX is not installed: pip install 'posestream[tensorrt-rtx]'")


def lean_folder(version: str) -> Path:
    """Where the wheel of a version was unpacked; skips without it."""
    folder = LEAN / version
    if not (folder / LEAN_MODULE).is_dir():
        missing(f"no tensorrt-lean {version} in {LEAN.name}/: {HOW}")
    return folder


def lacks(folder: Path, wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, list[str]]:
    """Version of an unpacked package, and the names it lacks; in a process of its own."""
    words = json.dumps({owner: list(names) for owner, names in wanted.items()})
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, LEAN_MODULE, words],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(finished.stdout)
    return str(found[0]), list(found[1])
