from pathlib import Path

import pytest

from engines.nvidia_driver import Gpu, first_gpu
from stream.errors import EngineError
from tests.stub_driver import driver


def test_the_first_gpu_is_named(tmp_path: Path) -> None:
    found = first_gpu(driver(tmp_path))
    assert found == Gpu("Test GPU", (8, 9), "13.2")
    assert found.words == "Test GPU sm89"


def test_a_missing_driver_names_the_remedy() -> None:
    with pytest.raises(EngineError, match=r"no NVIDIA driver .*--engine openvino"):
        first_gpu("libnothing-of-the-kind.so.1")


def test_a_driver_that_sees_no_gpu_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"sees no GPU .*CUDA_VISIBLE_DEVICES"):
        first_gpu(driver(tmp_path, count=0))


def test_a_driver_that_fails_gives_its_code(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cuInit gave CUDA error 999; check it with nvidia-smi"):
        first_gpu(driver(tmp_path, fail=999))
