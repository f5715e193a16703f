"""The body of the kernels, compiled for this processor and called with arrays."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import engines.preprocessing
from engines.preprocessing.launch_tables import PictureAddress, Table, picture_table

Bytes = NDArray[np.uint8]

SOURCE = Path(__file__).with_name("kernels_on_host.cpp")
HEADERS = Path(engines.preprocessing.__file__).parent
FLAGS = (
    "-std=c++17",
    "-O2",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-shared",
    "-fPIC",
)


class CompiledBody:
    """The kernels' arithmetic on this processor."""

    def __init__(self, folder: Path) -> None:
        library = folder / "kernels_on_host.so"
        command = ["g++", *FLAGS, f"-I{HEADERS}", str(SOURCE), "-o", str(library)]
        subprocess.run(command, check=True)
        self._library = ctypes.CDLL(str(library))

    def canvases(
        self, pictures: list[PictureAddress], places: Table, width: int, height: int
    ) -> Bytes:
        """(N, height, width, 3)."""
        return self._run("render_canvases", pictures, places, width, height)

    def crops(
        self, pictures: list[PictureAddress], places: Table, width: int, height: int
    ) -> Bytes:
        """(N, height, width, 3)."""
        return self._run("cut_crops", pictures, places, width, height)

    def _run(
        self, name: str, pictures: list[PictureAddress], places: Table, width: int, height: int
    ) -> Bytes:
        out = np.full((len(places), height, width, 3), 77, np.uint8)
        addresses = (picture_table(pictures), places, out)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in addresses]
        getattr(self._library, name)(*pointers, width, height, len(places))
        return out
