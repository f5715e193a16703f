"""Compiles the kernels ahead, for every GPU there is, where nvcc is: no GPU is needed.

python -m builders.cuda_kernels
"""

import hashlib
import lzma
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from engines.preprocessing.kernel_binaries import (
    CAPABILITIES,
    FLAGS,
    FOLDER,
    PTX_CAPABILITY,
    PTX_NAME,
    RECORD,
    BinaryRecord,
    cubin_name,
    source_sha256,
)
from stream.errors import EngineError

_OF_PIP = "nvidia/cu13"
"""Where NVIDIA's packages put the compiler."""
_VERSION = re.compile(r"release [\d.]+, V([\d.]+)")


def find_nvcc() -> Path | None:
    """CUDA's compiler: that on the path, else the one that pip installed."""
    found = shutil.which("nvcc")
    if found:
        return Path(found)
    of_pip = Path(sysconfig.get_paths()["purelib"], _OF_PIP, "bin", "nvcc")
    return of_pip if of_pip.is_file() else None


def compile_kernels(
    nvcc: Path,
    out: Path,
    capabilities: Sequence[tuple[int, int]] = CAPABILITIES,
    folder: Path = FOLDER,
) -> BinaryRecord:
    """Writes a packed cubin for each capability, PTX, and the record of what they are.

    Args:
        nvcc: the compiler.
        out: where to.
        capabilities: of GPUs, (major, minor).
        folder: of the source.

    Raises:
        EngineError: with the compiler's words if it refuses.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = [(cubin_name(one), f"-arch=sm_{one[0]}{one[1]}", "-cubin") for one in capabilities]
    wanted += [(PTX_NAME, f"-arch=compute_{PTX_CAPABILITY[0]}{PTX_CAPABILITY[1]}", "-ptx")]
    files = {}
    for name, *flags in wanted:
        content = _compiled(nvcc, folder / "kernels.cu", out / "kernels.partial", flags)
        (out / name).write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
        files[name] = hashlib.sha256(content).hexdigest()
    record = BinaryRecord(
        source_sha256=source_sha256(folder), nvcc=nvcc_version(nvcc), flags=FLAGS, files=files
    )
    (out / RECORD).write_text(record.model_dump_json(indent=1) + "\n", "utf-8")
    return record


def nvcc_version(nvcc: Path) -> str:
    """Such as 13.0.88."""
    found = _VERSION.search(_run([str(nvcc), "--version"]))
    return found.group(1) if found else "unknown"


def _compiled(nvcc: Path, source: Path, partial: Path, flags: Sequence[str]) -> bytes:
    include = nvcc.parent.parent / "include"
    headers = [f"-I{include}"] if include.is_dir() else []
    try:
        _run([str(nvcc), *FLAGS, *flags, *headers, str(source), "-o", str(partial)])
        return partial.read_bytes()
    finally:
        partial.unlink(missing_ok=True)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - the compiler found above
    except subprocess.CalledProcessError as error:
        raise EngineError(f"{command[0]} refused: {error.stderr.strip()[-1000:]}") from error
    return done.stdout


def main(
    out: Annotated[Path, typer.Option(help="Where to; beside the source without it.")] = FOLDER,
) -> None:
    """Compiles the kernels for all GPUs."""
    nvcc = find_nvcc()
    if nvcc is None:
        raise EngineError("nvcc is missing; pip install 'posestream[kernels]', or NVIDIA's toolkit")
    record = compile_kernels(nvcc, out)
    typer.echo(f"nvcc {record.nvcc}: wrote {', '.join(record.files)}")


if __name__ == "__main__":
    typer.run(main)
