"""Compiling the kernels ahead: needs nvcc, and no GPU."""

from pathlib import Path

import pytest

from builders.cuda_kernels import compile_kernels, find_nvcc, nvcc_version
from engines.preprocessing.kernel_binaries import (
    CAPABILITIES,
    PTX_NAME,
    SOURCES,
    cubin_name,
    read_binary,
    read_record,
    source_sha256,
)
from engines.preprocessing.kernel_binaries import FOLDER as SHIPPED
from stream.errors import EngineError
from tests.conftest import missing

pytestmark = pytest.mark.slow


@pytest.fixture
def nvcc() -> Path:
    found = find_nvcc()
    if found is None:
        missing("no nvcc here; pip install 'posestream[kernels]'")
    assert found is not None
    return found


def test_the_kernels_compile_for_every_gpu(nvcc: Path, tmp_path: Path) -> None:
    for name in SOURCES:
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    record = compile_kernels(nvcc, tmp_path, folder=tmp_path)
    assert record == read_record(tmp_path)
    assert set(record.files) == {PTX_NAME, *(cubin_name(one) for one in CAPABILITIES)}
    assert record.source_sha256 == source_sha256()
    for capability in CAPABILITIES:
        assert read_binary(cubin_name(capability), tmp_path).startswith(b"\x7fELF")
    assert b".entry render_canvases" in read_binary(PTX_NAME, tmp_path)
    assert not (tmp_path / "kernels.partial").exists()


def test_a_source_that_does_not_compile_is_refused_with_the_compilers_words(
    nvcc: Path, tmp_path: Path
) -> None:
    for name in SOURCES:
        (tmp_path / name).write_text("int broken(", "utf-8")
    with pytest.raises(EngineError, match="error"):
        compile_kernels(nvcc, tmp_path / "out", [(9, 0)], tmp_path)
    assert nvcc_version(nvcc)[0].isdigit()
