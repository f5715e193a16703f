"""What `auto` takes where an NVIDIA GPU seems to be, in the ways in which it may not do.

The machine need not have one: the driver's library is really missing, or is a small one compiled
here that answers as the real one does; packages are those that are installed, or lack.
"""

import logging
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from engines import open_engine as choice
from engines import tensorrt_engine, torch_engine
from engines.artefact import Artefact
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import BuildKey, EngineStore
from engines.nvidia_driver import first_gpu
from engines.open_engine import GPU_FILE_BATCH, EngineName, file_batch, open_engine
from engines.open_engine import ready_gpu_engine as ready
from engines.preprocessing.device_frames import TorchTaker
from engines.tensorrt_backend import Flavour, load_backend
from engines.tensorrt_engine import plan_key
from engines.torch_engine import PROGRAM_NAME, program_key
from stream.commands.device_taker import device_taker, likely_engine
from stream.commands.run_settings import RunSettings
from stream.errors import EngineError, Obstacle
from stream.ingest.decode_ladder import DecodeRung, DecodeWish
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.video_hardware import has_nvidia_device
from stream.pixel_copies import tell_nobody_of_copies
from tests.stub_driver import driver

pytest.importorskip("torch", reason="posestream[gpu] is not installed")
pytestmark = pytest.mark.skipif(has_nvidia_device(), reason="there is an NVIDIA GPU here")

CANVAS = (128, 96)
HAS_RTX = find_spec("tensorrt_rtx_bindings") is not None


@pytest.fixture(autouse=True)
def a_device_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As NVIDIA's driver puts it up."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(choice, "NVIDIA_DEVICES", (tmp_path / "nvidiactl",))
    # Full TensorRT is not installed for tests; if it were, it would be asked for a GPU.
    monkeypatch.setitem(sys.modules, "tensorrt", None)


def has_driver(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    for module in (tensorrt_engine, torch_engine):
        monkeypatch.setattr(module, "first_gpu", partial(first_gpu, library))


def store_with(folder: Path, *keys: BuildKey) -> EngineStore:
    """Something was built; what it holds is never looked at here."""

    def write(entry: Path) -> dict[str, str]:
        (entry / PROGRAM_NAME).write_bytes(b"never loaded")
        return {}

    store = EngineStore(folder / "store")
    for key in keys:
        store.build(key, write)
    return store


def rtx_plan(artefact: Artefact) -> BuildKey:
    backend = load_backend(Flavour.TENSORRT_RTX)
    return plan_key(backend, artefact, "sm89", Precision.FP16, (CANVAS, (1,)))


def chosen(artefact: Artefact, store: EngineStore | None) -> tuple[str, dict[str, Obstacle]]:
    """What `auto` opens, and why it passed over others."""
    told: dict[str, Obstacle] = {}
    options = EngineOptions(store=store, passed_over=told.__setitem__)
    opened = open_engine(artefact, canvas=CANVAS, threads=1, options=options)
    opened.close()
    assert ready(artefact, None, options) is None
    return opened.spec.engine, told


def test_without_the_drivers_library_the_processor_works_and_each_step_says_so(
    tiny_artefact: Artefact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_with(tmp_path, program_key(tiny_artefact, CANVAS))
    with caplog.at_level(logging.WARNING):
        name, told = chosen(tiny_artefact, store)
    assert name == "openvino"
    assert told == {
        "tensorrt": Obstacle.NO_PACKAGE,
        "tensorrt_rtx": Obstacle.NO_DRIVER if HAS_RTX else Obstacle.NO_PACKAGE,
        "torch": Obstacle.NO_DRIVER,
    }
    events = [record for record in caplog.records if record.message == "engine_fallback"]
    assert [event.__dict__["failed_engine"] for event in events] == list(told)
    assert [event.__dict__["obstacle"] for event in events] == [one.value for one in told.values()]
    assert "no NVIDIA driver on this machine" in events[-1].__dict__["reason"]


@pytest.mark.parametrize(
    ("count", "fail", "obstacle"),
    [(1, 999, Obstacle.DRIVER_FAILED), (0, 0, Obstacle.NO_GPU), (1, 0, Obstacle.NOT_BUILT)],
)
def test_a_driver_that_fails_or_shows_nothing_or_a_model_that_was_not_built(
    tiny_artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    count: int, fail: int, obstacle: Obstacle,
) -> None:  # fmt: skip
    has_driver(monkeypatch, driver(tmp_path, count=count, fail=fail))
    name, told = chosen(tiny_artefact, store_with(tmp_path))
    assert (name, told["torch"]) == ("openvino", obstacle)
    assert not HAS_RTX or told["tensorrt_rtx"] is obstacle


def test_packages_of_another_version_are_passed_over(
    tiny_artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TensorRT that is too old; a torch that was built without CUDA."""
    old = ModuleType("tensorrt")
    old.__dict__["__version__"] = "9.3.0"
    monkeypatch.setitem(sys.modules, "tensorrt", old)
    has_driver(monkeypatch, driver(tmp_path))
    name, told = chosen(tiny_artefact, store_with(tmp_path, program_key(tiny_artefact, CANVAS)))
    assert (name, told["tensorrt"], told["torch"]) == (
        "openvino",
        Obstacle.VERSION,
        Obstacle.VERSION,
    )


def test_torch_on_the_processor_is_only_taken_by_name(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    options = EngineOptions(store=store_with(tmp_path, program_key(tiny_artefact, CANVAS)))
    with pytest.raises(EngineError, match="no NVIDIA driver"):
        torch_engine.open_torch_on_gpu(tiny_artefact, canvas=CANVAS, options=options)
    with pytest.raises(EngineError, match="torch cannot load"):
        torch_engine.open_torch(tiny_artefact, canvas=CANVAS, options=options)


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_where_a_plan_lies_ready_pictures_stay_on_the_gpu_from_its_decoder_on(
    tiny_artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_driver(monkeypatch, driver(tmp_path))
    store = store_with(tmp_path, rtx_plan(tiny_artefact))
    settings = RunSettings("walk.mp4", "tiny", cache=store.root)
    engine = likely_engine(settings, tiny_artefact)
    assert engine is EngineName.TENSORRT_RTX
    assert file_batch(engine, None) == GPU_FILE_BATCH
    taker = device_taker(engine, DecodeWish.AUTO, tell_nobody_of_copies)
    assert isinstance(taker, TorchTaker)
    monkeypatch.setattr("stream.ingest.laddered_reader.has_nvidia_device", lambda: True)
    assert DecodeOptions(DecodeWish.AUTO, taker).begin().rung is DecodeRung.ZERO_COPY
    assert device_taker(engine, DecodeWish.SOFTWARE, tell_nobody_of_copies) is None
    by_name = RunSettings("walk.mp4", "tiny", engine="openvino", cache=store.root)
    assert likely_engine(by_name, tiny_artefact) is EngineName.OPENVINO


def test_without_an_engine_for_it_the_gpu_is_left_alone(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    settings = RunSettings("walk.mp4", "tiny", cache=tmp_path / "empty")
    engine = likely_engine(settings, tiny_artefact)
    assert engine is EngineName.AUTO
    assert device_taker(engine, DecodeWish.AUTO, tell_nobody_of_copies) is None
    assert file_batch(engine, 1) == file_batch(EngineName.OPENVINO, 1) == 1


def test_without_the_device_nothing_is_tried_and_nothing_said(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "NVIDIA_DEVICES", ())
    assert chosen(tiny_artefact, None) == ("openvino", {})
