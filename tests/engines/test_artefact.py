import json
from pathlib import Path
from typing import Any

import pytest

from engines.artefact import MANIFEST_NAME, MODEL_NAME, load_artefact, load_manifest
from stream.errors import ArtefactError
from tests.tiny_model import tiny_manifest, write_tiny_artefact


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest | changes), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_artefact(tmp_path / "tiny").folder


def test_a_complete_folder_loads(folder: Path) -> None:
    artefact = load_artefact(folder)
    assert artefact.manifest.name == "tiny"
    assert artefact.onnx_path.read_bytes()


def test_an_altered_graph_is_refused(folder: Path) -> None:
    contents = bytearray((folder / MODEL_NAME).read_bytes())
    contents[len(contents) // 2] ^= 1
    (folder / MODEL_NAME).write_bytes(contents)
    with pytest.raises(ArtefactError, match=r"model tiny: model\.onnx has sha256 .* altered"):
        load_artefact(folder)


@pytest.mark.parametrize("name", [MODEL_NAME, MANIFEST_NAME])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=rf"cannot read .*{name}: No such file"):
        load_artefact(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "tiny"}', "\udcff"])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ArtefactError, match=r"manifest\.json is not valid"):
        load_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "Tiny Model"}, "name"),
        ({"colour": "red"}, "colour"),
        ({"stage": "detective"}, "stage"),
        ({"thresholds": {"min_score": 0.5}}, "expected one of nms_oks, soft_nms_iou, got none"),
        ({"schema_version": 2}, "schema_version"),
        ({"canvases": []}, "canvases"),
        ({"canvases": [[100, 96]]}, "multiples of 32"),
        ({"canvases": [[0, 96]]}, "multiples of 32"),
        ({"thresholds": {"min_score": 2, "nms_oks": 0.5}}, "min_score"),
        ({"inputs": []}, "expected canvas uint8 rank 4 .*, got nothing"),
        ({"outputs": tiny_manifest()["inputs"]}, "expected keypoints float32"),
        (
            {"inputs": [{"name": "canvas", "dtype": "float32", "shape": [None, None, None, 3]}]},
            "expected canvas uint8 .*, got canvas float32",
        ),
        (
            {"inputs": [{"name": "canvas", "dtype": "uint8", "shape": [None, 3, None, None]}]},
            r"expected canvas uint8 rank 4 \(\.\.\., 3\), got",
        ),
    ],
)
def test_a_manifest_that_breaks_the_contract_is_refused(
    folder: Path, changes: dict[str, Any], complaint: str
) -> None:
    rewrite_manifest(folder, **changes)
    with pytest.raises(ArtefactError, match=complaint):
        load_artefact(folder)


CROPS = {"name": "crops", "dtype": "uint8", "shape": [None, None, None, 3]}
POSES = {"name": "poses", "dtype": "float32", "shape": [None, 17, 3]}
KEYPOINTS = POSES | {"name": "keypoints"}


@pytest.mark.parametrize(("stage", "inputs"), [("top_down", [CROPS]), ("refiner", [CROPS, POSES])])
def test_models_that_take_crops_keep_their_own_contract(
    folder: Path, stage: str, inputs: list[dict[str, Any]]
) -> None:
    crop_model = {
        "stage": stage,
        "inputs": inputs,
        "outputs": [KEYPOINTS],
        "canvases": [[192, 256]],
        "thresholds": {"min_score": 0.2},
    }
    rewrite_manifest(folder, **crop_model)
    assert load_manifest(folder).crop_padding == 1.25
    rewrite_manifest(folder, **(crop_model | {"inputs": inputs[:-1]}))
    with pytest.raises(ArtefactError, match=f"{stage}: expected crops"):
        load_manifest(folder)
    rewrite_manifest(folder, **(crop_model | {"thresholds": {"min_score": 0.2, "nms_oks": 0.5}}))
    with pytest.raises(ArtefactError, match=f"of {stage}: expected one of none, got nms_oks"):
        load_manifest(folder)
