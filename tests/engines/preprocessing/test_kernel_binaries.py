"""The compiled kernels that come along, and which of them a GPU is given."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.preprocessing.kernel_binaries import (
    CAPABILITIES,
    FLAGS,
    FOLDER,
    KERNELS,
    PTX_NAME,
    RECORD,
    SOURCES,
    cubin_name,
    fitting_names,
    load_kernels,
    read_binary,
    read_record,
)
from stream.errors import EngineError

CUDA_MACHINE = 190
"""EM_CUDA of ELF."""


def test_what_comes_along_is_of_the_source_beside_it() -> None:
    record = read_record()
    assert set(record.files) == {PTX_NAME, *(cubin_name(one) for one in CAPABILITIES)}
    assert record.flags == FLAGS
    assert read_binary(PTX_NAME).count(b".visible .entry") == len(KERNELS)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_each_cubin_is_code_of_a_gpu_with_both_kernels(capability: tuple[int, int]) -> None:
    code = read_binary(cubin_name(capability))
    assert code.startswith(b"\x7fELF")
    [machine] = struct.unpack_from("<H", code, 18)
    assert machine == CUDA_MACHINE
    assert all(f".text.{kernel}".encode() in code for kernel in KERNELS)


@pytest.mark.parametrize(
    ("capability", "names"),
    [
        ((7, 5), []),
        ((8, 0), ["kernels.sm_80.cubin.xz"]),
        ((8, 7), ["kernels.sm_86.cubin.xz", "kernels.sm_80.cubin.xz"]),
        ((9, 0), ["kernels.sm_90.cubin.xz"]),
        ((10, 0), []),
        ((12, 1), ["kernels.sm_120.cubin.xz"]),
    ],
)
def test_a_gpu_is_given_code_of_its_generation_and_then_ptx(
    capability: tuple[int, int], names: list[str]
) -> None:
    ptx = [PTX_NAME] if capability >= (8, 0) else []
    assert fitting_names(capability) == names + ptx


def refusing(*starts: bytes) -> Callable[[bytes], str]:
    """Loads what does not start like that."""

    def load(code: bytes) -> str:
        if code.startswith(starts):
            raise RuntimeError("the driver is too old")
        return "module"

    return load


def no_compiler() -> str:
    raise RuntimeError("nvcc not found")


def test_what_the_driver_refuses_is_followed_by_the_next() -> None:
    assert load_kernels((9, 0), refusing(b"?"), no_compiler)[1] == "kernels.sm_90.cubin.xz"
    assert load_kernels((9, 0), refusing(b"\x7fELF"), no_compiler)[1] == PTX_NAME
    nothing = refusing(b"\x7fELF", b"//")
    assert load_kernels((9, 0), nothing, lambda: "built") == ("built", "kernels.cu, compiled here")
    with pytest.raises(EngineError, match=r"driver is too old.*nvcc not found.*580"):
        load_kernels((9, 0), nothing, no_compiler)


def copied(folder: Path) -> Path:
    for name in (*SOURCES, RECORD, PTX_NAME):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    return folder


def test_binaries_of_another_source_are_refused(tmp_path: Path) -> None:
    with (copied(tmp_path) / "kernels.cu").open("a", encoding="utf-8") as source:
        source.write("\n")
    with pytest.raises(EngineError, match="another source"):
        read_binary(PTX_NAME, tmp_path)


def test_a_damaged_or_missing_binary_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / PTX_NAME).write_bytes(b"no xz")
    with pytest.raises(EngineError, match="cannot be read"):
        read_binary(PTX_NAME, folder)
    with pytest.raises(EngineError, match="cannot be read"):
        read_binary(cubin_name((8, 0)), folder)
    (folder / RECORD).unlink()
    with pytest.raises(EngineError, match=r"builders\.cuda_kernels"):
        read_record(folder)
