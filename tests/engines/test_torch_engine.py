"""What the engine `torch` refuses, and what becomes of a GPU's errors."""

from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.cuda_batch import cuda_errors
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore
from engines.torch_engine import PROGRAM_NAME, _forbid_tf32, open_torch, program_key
from stream.errors import EngineError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CANVAS = (128, 96)


@pytest.fixture(scope="module")
def whole_program(tiny_artefact: Artefact, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """As `posestream build` leaves it."""
    from tests.tiny_twin import store_twin  # noqa: PLC0415 - it imports torch

    store = EngineStore(tmp_path_factory.mktemp("store"))
    store_twin(tiny_artefact, CANVAS, store)
    entry = store.find(program_key(tiny_artefact, CANVAS))
    assert entry
    return entry.file(PROGRAM_NAME).read_bytes()


def store_of(artefact: Artefact, folder: Path, contents: bytes) -> EngineOptions:
    def write(entry: Path) -> dict[str, str]:
        (entry / PROGRAM_NAME).write_bytes(contents)
        return {}

    store = EngineStore(folder)
    store.build(program_key(artefact, CANVAS), write)
    return EngineOptions(batches=(1,), store=store)


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "another archive"])
def test_a_program_that_cannot_be_loaded_is_told_with_the_remedy(
    tiny_artefact: Artefact, tmp_path: Path, whole_program: bytes, damage: str
) -> None:
    torch.save({"no": "program"}, tmp_path / "other.pt")
    contents = {
        "empty": b"",
        "noise": bytes(range(256)) * 40,
        "cut": whole_program[: len(whole_program) // 2],
        "another archive": (tmp_path / "other.pt").read_bytes(),
    }[damage]
    options = store_of(tiny_artefact, tmp_path / "store", contents)
    with pytest.raises(EngineError, match=r"torch cannot load program.pt2: .*--rebuild"):
        open_torch(tiny_artefact, canvas=CANVAS, threads=1, options=options)


def test_without_a_program_it_says_how_to_build_one(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"no exported program .*posestream build tiny --engine"):
        open_torch(tiny_artefact, canvas=CANVAS, threads=1)


def test_the_reference_has_one_precision(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match="torch runs fp32, got bf16"):
        open_torch(tiny_artefact, canvas=CANVAS, threads=1, precision=Precision.BF16)


def test_on_a_gpu_it_computes_in_fp32_and_not_in_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    _forbid_tf32(torch)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (torch.cuda.OutOfMemoryError("2 GiB"), r"out of memory: 2 GiB; .*--batch 1.*openvino"),
        (RuntimeError("CUDA error: unspecified launch failure"), r"the GPU failed: CUDA error"),
    ],
)
def test_what_a_gpu_raises_is_told_with_the_remedy(raised: RuntimeError, told: str) -> None:
    with pytest.raises(EngineError, match=told) as caught, cuda_errors():
        raise raised
    assert caught.value.__cause__ is raised
