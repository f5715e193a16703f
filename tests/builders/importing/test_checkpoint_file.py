"""Files of weights: every wrapping is taken off, nothing in them is run."""

import hashlib
import os
import pickle
import re
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from builders.importing.checkpoint_file import read_weights
from stream.errors import ArtefactError
from tests.builders.importing.bundle_writer import write_bundle

WEIGHTS = {"conv1.weight": torch.arange(6.0).reshape(2, 3), "bn1.bias": torch.ones(2)}


def saved(path: Path, contents: object, **options: Any) -> Path:
    torch.save(contents, path, **options)
    return path


@pytest.mark.parametrize(
    ("contents", "container"),
    [
        (WEIGHTS, "plain state_dict"),
        (OrderedDict(WEIGHTS), "plain state_dict"),
        ({f"module.{k}": v for k, v in WEIGHTS.items()}, "prefix module. taken off"),
        (
            {"epoch": 140, "state_dict": {f"module.{k}": v for k, v in WEIGHTS.items()}},
            r"checkpoint, state_dict \(beside epoch\), prefix module. taken off",
        ),
        (
            {"meta": {"mmdet": "1.0"}, "state_dict": OrderedDict(WEIGHTS), "optimizer": {"lr": 1}},
            r"checkpoint, state_dict \(beside meta, optimizer\)",
        ),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_wrapping_is_taken_off(
    contents: object, container: str, zipped: bool, tmp_path: Path
) -> None:
    path = saved(tmp_path / "w.pth.tar", contents, _use_new_zipfile_serialization=zipped)
    found = read_weights(path)
    assert found.state.keys() == WEIGHTS.keys()
    assert all(torch.equal(found.state[key], value) for key, value in WEIGHTS.items())
    assert re.search(container, found.container)
    (file,) = found.files
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (file.name, file.size_bytes) == ("w.pth.tar", path.stat().st_size)


def test_a_prefix_of_some_names_alone_is_part_of_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", {"module.a": torch.ones(1), "b": torch.ones(1)})
    assert set(read_weights(path).state) == {"module.a", "b"}


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_wants_to_run_code_is_refused_and_runs_nothing(
    zipped: bool, tmp_path: Path
) -> None:
    contents = {"state_dict": WEIGHTS, "meta": _Malicious(tmp_path / "harm")}
    path = saved(tmp_path / "evil.pth", contents, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArtefactError, match=r"is refused: it wants to call posix\.mkdir"):
        read_weights(path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_that_wants_to_run_code_is_refused(protocol: int, tmp_path: Path) -> None:
    contents = pickle.dumps(_Malicious(tmp_path / "harm"), protocol)
    (tmp_path / "evil.pth").write_bytes(contents)
    with pytest.raises(
        ArtefactError, match=r"refused: it (wants to call posix\.mkdir|has instr)|no PyTorch"
    ):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "harm").exists()


def test_the_training_history_of_openmmlab_is_passed_over(tmp_path: Path) -> None:
    """Its class is not installed here, as it is not at a user's, and is never looked for."""
    module = ModuleType("mmengine.logging.history_buffer")
    buffer = type("HistoryBuffer", (), {"__module__": module.__name__})
    module.HistoryBuffer = buffer  # type: ignore[attr-defined]
    parents = {name: ModuleType(name) for name in ("mmengine", "mmengine.logging")}
    sys.modules.update({**parents, module.__name__: module})
    try:
        history = buffer()
        history.values = np.arange(3.0)
        hub = {"loss": history, "lr": np.float64(0.1)}
        path = saved(tmp_path / "w.pth", {"message_hub": hub, "state_dict": WEIGHTS})
    finally:
        for name in (*parents, module.__name__):
            del sys.modules[name]
    assert read_weights(path).state.keys() == WEIGHTS.keys()


def test_a_web_page_saved_instead_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("<!DOCTYPE html><html>Virus scan warning</html>")
    with pytest.raises(ArtefactError, match="is a web page, not weights"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("contents", [b"", b"PK\x03\x04 cut", b"hello there", b"\x80\x02}q\x00"])
def test_other_files_are_no_checkpoints(contents: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(contents)
    with pytest.raises(ArtefactError, match=r"w\.pth is no (whole )?PyTorch checkpoint"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_is_cut_short_is_told(zipped: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth", WEIGHTS, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtefactError, match=r"is no (whole )?PyTorch checkpoint"):
        read_weights(path)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ([1, 2], "holds a list"),
        ({}, "it is empty"),
        ({"epoch": 3, "conv1.weight": torch.ones(1)}, "more than weights: epoch"),
    ],
)
def test_what_is_no_state_dict_is_refused(contents: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=words):
        read_weights(saved(tmp_path / "w.pth", contents))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"cannot read weights .*w\.pth: No such file"):
        read_weights(tmp_path / "w.pth")


ENDS = ("", ".index", ".meta", ".data-00000-of-00001")


@pytest.mark.parametrize("end", ENDS)
def test_a_tensorflow_checkpoint_is_known_by_any_of_its_files(end: str, tmp_path: Path) -> None:
    slots = ("", "/Adam", "/Adam_1")
    tensors = {f"up1/weights{slot}": np.ones((1, 2), np.float32) for slot in slots}
    tensors |= {name: np.array(1.0, np.float32) for name in ("Variable", "beta1_power")}
    write_bundle(tmp_path / "snapshot_140.ckpt", tensors)
    (tmp_path / "snapshot_140.ckpt.meta").write_bytes(b"graph")
    found = read_weights(tmp_path / f"snapshot_140.ckpt{end}")
    assert list(found.state) == ["up1/weights"]
    assert found.state["up1/weights"].tolist() == [[1.0, 1.0]]
    assert [file.name for file in found.files] == [
        "snapshot_140.ckpt.index",
        "snapshot_140.ckpt.data-00000-of-00001",
    ]
