"""The kernels, compiled ahead for the GPUs there are, and which fits one; no GPU is touched.

Beside `kernels.cu` lie cubins (machine code for one capability and later ones of its generation)
and PTX (for all later GPUs; the driver compiles it). `binaries.json` says of which source they are.
Who changes the source runs `python -m builders.cuda_kernels`.
"""

import hashlib
import lzma
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from stream.errors import EngineError

FOLDER = Path(__file__).parent
SOURCES = ("pixels.h", "kernels.cu")
FLAGS = ("-std=c++17", "-O3", "-fmad=false")
"""Multiplications and additions are rounded one by one, as on the processor."""
CAPABILITIES = ((8, 0), (8, 6), (8, 9), (9, 0), (12, 0))
PTX_CAPABILITY = (8, 0)
RECORD = "binaries.json"
KERNELS = ("render_canvases", "cut_crops")


class BinaryRecord(BaseModel):
    """What was compiled, of what, with what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_sha256: str
    nvcc: str
    flags: tuple[str, ...]
    files: dict[str, str]
    """File name -> SHA-256 of its unpacked content."""


def source_sha256(folder: Path = FOLDER) -> str:
    """Of all that is compiled."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def cubin_name(capability: tuple[int, int]) -> str:
    """File name of the machine code for a capability."""
    return f"kernels.sm_{capability[0]}{capability[1]}.cubin.xz"


PTX_NAME = f"kernels.compute_{PTX_CAPABILITY[0]}{PTX_CAPABILITY[1]}.ptx.xz"


def fitting_names(capability: tuple[int, int]) -> list[str]:
    """Files that a GPU of that capability can run, the best first.

    Machine code runs on its own capability and on later ones of the same generation (CUDA C++
    Programming Guide, "Binary Compatibility"); PTX on every later one.
    """
    same = [one for one in CAPABILITIES if one[0] == capability[0] and one <= capability]
    names = [cubin_name(one) for one in sorted(same, reverse=True)]
    return [*names, PTX_NAME] if capability >= PTX_CAPABILITY else names


def read_record(folder: Path = FOLDER) -> BinaryRecord:
    """What lies there.

    Raises:
        EngineError: if nothing does, or it is of another source.
    """
    path = folder / RECORD
    if not path.is_file():
        raise EngineError(f"{path} is missing; run python -m builders.cuda_kernels")
    record = BinaryRecord.model_validate_json(path.read_text("utf-8"))
    if record.source_sha256 != source_sha256(folder):
        raise EngineError(
            f"the compiled kernels in {folder} are of another source; "
            "run python -m builders.cuda_kernels"
        )
    return record


def read_binary(name: str, folder: Path = FOLDER) -> bytes:
    """The unpacked content of a file.

    Raises:
        EngineError: if it is missing, damaged, or of another source.
    """
    wanted = read_record(folder).files.get(name)
    try:
        content = lzma.decompress((folder / name).read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise EngineError(f"{folder / name} cannot be read: {error}; install again") from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise EngineError(f"{folder / name} was altered; install posestream again")
    return content


def load_kernels(
    capability: tuple[int, int],
    load: Callable[[bytes], Any],
    compile_here: Callable[[], Any],
    folder: Path = FOLDER,
) -> tuple[Any, str]:
    """The kernels as a module of the GPU, and where they came from.

    Args:
        capability: of the GPU.
        load: makes a module of machine code or PTX; whatever it raises, the next one is tried.
        compile_here: makes a module of the source, where nvcc is.
        folder: of the binaries.

    Raises:
        EngineError: with what each said, if none can be loaded.
    """
    ways: list[tuple[str, Callable[[], Any]]] = [
        (name, partial(_load_file, load, name, folder)) for name in fitting_names(capability)
    ]
    refused = []
    for origin, way in [*ways, ("kernels.cu, compiled here", compile_here)]:
        try:
            return way(), origin
        except Exception as error:  # noqa: BLE001 - PyCUDA's errors are its own; all are told below
            refused.append(f"{origin}: {error}")
    raise EngineError(
        f"the kernels cannot be loaded on a GPU of capability {capability}: {'; '.join(refused)}; "
        "a driver of CUDA 13 or later (580) runs those that come along"
    )


def _load_file(load: Callable[[bytes], Any], name: str, folder: Path) -> Any:
    return load(read_binary(name, folder))
