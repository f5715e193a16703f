"""`posestream build`, from its options to what the store holds."""

import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor, nn

from builders.engine_build import BuildOrder, EngineBuilder
from engines.artefact import Artefact
from engines.certification.picture_set import PictureSet, folder_set
from engines.engine import Precision
from engines.engine_options import EngineOptions
from engines.engine_store import ENTRY_NAME, EngineStore
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import quantised_key
from stream.clock import ManualClock
from stream.errors import ConfigError, EngineError
from tests.command_line import posestream
from tests.conftest import missing
from tests.tiny_model import draw_people

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tiny model takes for people."""
    folder = tmp_path_factory.mktemp("pictures")
    for index, grey in enumerate((250, 240, 230, 220, 210, 200)):
        picture = draw_people(128, 96, {(30, 40): grey, (80, 50): grey - 12})
        cv2.imwrite(str(folder / f"{index}.png"), picture)
    return folder


@pytest.fixture
def pictures(folder: Path) -> PictureSet:
    return folder_set(folder)


def build(
    artefact: Artefact,
    store: EngineStore,
    engine: EngineName,
    precision: Precision | None = None,
    **changes: object,
) -> list[str]:
    """What was said."""
    fields: dict[str, object] = {
        "batches": (1, 2), "targets": (), "pictures": None, "rebuild": False
    }  # fmt: skip
    order = BuildOrder(artefact, engine, precision, **(fields | changes))  # type: ignore[arg-type]
    said: list[str] = []
    EngineBuilder(order, store, ManualClock(), said.append).build()
    return said


def test_openvino_is_compiled_for_every_canvas_once(
    tiny_artefact: Artefact, pictures: PictureSet, tmp_path: Path
) -> None:
    store = EngineStore(tmp_path)
    wanted = (tiny_artefact, store, EngineName.OPENVINO, Precision.FP32)
    first = build(*wanted, pictures=pictures)
    assert [line for line in first if "compiled for 128x96" in line]
    assert "openvino" in first[-1]
    assert "passed" in first[-1]
    again = build(*wanted, pictures=pictures)
    assert sum("was in the store" in line for line in again) == 3
    assert list(tmp_path.glob("certificates/*/openvino-*-fp32-*.json"))


def test_int8_is_judged_by_poses_and_runs_afterwards(
    tiny_artefact: Artefact, pictures: PictureSet, tmp_path: Path
) -> None:
    if find_spec("nncf") is None:  # to import it here would let it phone home
        missing("no nncf: pip install 'posestream[build]'")
    store = EngineStore(tmp_path)
    said = build(tiny_artefact, store, EngineName.OPENVINO, Precision.INT8, pictures=pictures)
    assert [line for line in said if "layers quantised" in line]
    entry = store.find(quantised_key(tiny_artefact))
    assert entry
    assert entry.notes["layers"] == "1"
    options = EngineOptions((1, 2), store)
    engine = open_engine(
        tiny_artefact,
        engine=EngineName.OPENVINO,
        canvas=(160, 96),
        precision=Precision.INT8,
        options=options,
    )
    assert engine.spec.precision is Precision.INT8


def test_int8_without_pictures_says_what_is_missing(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"int8 needs pictures .*--pictures DIR"):
        build(tiny_artefact, EngineStore(tmp_path), EngineName.OPENVINO, Precision.INT8)


def test_plans_for_other_machines_are_built_and_not_run(
    tiny_artefact: Artefact, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    store = EngineStore(tmp_path)
    said = build(
        tiny_artefact,
        store,
        EngineName.TENSORRT_RTX,
        Precision.FP16,
        targets=((8, 6), (8, 9)),
    )
    assert "cannot run it" in said[-1]
    entries = [json.loads(path.read_text()) for path in tmp_path.rglob(ENTRY_NAME)]
    assert {entry["key"]["target"] for entry in entries} == {"sm86", "sm89"}
    assert all(set(entry["files"]) == {"engine.plan", "model.onnx"} for entry in entries)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.FP8])
def test_quantised_plans_come_from_real_pictures(
    tiny_artefact: Artefact, pictures: PictureSet, tmp_path: Path, precision: Precision
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    store = EngineStore(tmp_path)
    said = build(
        tiny_artefact,
        store,
        EngineName.TENSORRT_RTX,
        precision,
        targets=((8, 9),),
        pictures=pictures,
    )
    assert [line for line in said if "layers quantised" in line]
    assert list(tmp_path.rglob("engine.plan"))


class BrightSquares(nn.Module):
    """The tiny model's contract in torch; the numbers do not matter here."""

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        green = inputs[0][..., 1].float().flatten(1) / 255
        scores = green.topk(30, dim=1).values
        keypoints = scores[:, :, None, None].expand(-1, -1, 17, 3)
        return {"keypoints": keypoints.contiguous(), "scores": scores}


def test_an_exported_torch_program_runs_in_any_batch(
    tiny_artefact: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builders.torch_program.torch_twin", lambda _artefact: BrightSquares())
    store = EngineStore(tmp_path)
    threads = torch.get_num_threads()
    build(tiny_artefact, store, EngineName.TORCH)
    engine = open_engine(
        tiny_artefact,
        engine=EngineName.TORCH,
        canvas=(128, 96),
        threads=1,
        options=EngineOptions((1, 2), store),
    )
    torch.set_num_threads(threads)
    picture = draw_people(128, 96, {(40, 40): 255})[None]
    assert engine.spec.engine == "torch"
    assert engine.infer({"canvas": picture})["scores"][0, 0] == pytest.approx(1.0)
    with pytest.raises(EngineError, match="torch: model tiny has no exported program"):
        open_engine(tiny_artefact, engine=EngineName.TORCH, canvas=(128, 96))


def test_the_command_builds_and_says_where(
    tiny_artefact: Artefact, folder: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32", "--pictures", folder, "--cache", tmp_path)
    finished = posestream("build", tiny_artefact.folder, *words, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "tiny for openvino, into" in finished.stderr
    assert "passed" in finished.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--batch", "one"), "batch: expected numbers like 1,8,32"),
        (("--target", "ada"), "target: expected compute capabilities like 8.6,8.9"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tiny_artefact: Artefact, tmp_path: Path, words: tuple[str, str], complaint: str
) -> None:
    finished = posestream("build", tiny_artefact.folder, *words, cwd=tmp_path)
    assert finished.returncode == 2
    assert complaint in finished.stderr
