import hashlib
import json
import logging
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from engines import openvino_engine
from engines.artefact import MANIFEST_NAME, MODEL_NAME, Artefact, load_artefact
from engines.engine import Precision
from engines.hardware import cpu_features
from engines.open_engine import EngineName, open_engine
from engines.openvino_engine import openvino_precisions
from stream.errors import ConfigError, EngineError
from tests.tiny_model import tiny_onnx, write_tiny_artefact

CANVAS = (128, 96)


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Makes packages look as if they were not installed."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def artefact_with_graph(folder: Path, contents: bytes) -> Artefact:
    """A folder whose hashes are right and whose graph is `contents`."""
    write_tiny_artefact(folder)
    manifest: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    manifest["onnx_sha256"] = hashlib.sha256(contents).hexdigest()
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    (folder / MODEL_NAME).write_bytes(contents)
    return load_artefact(folder)


def test_auto_takes_openvino(tiny_artefact: Artefact) -> None:
    assert open_engine(tiny_artefact, canvas=CANVAS).spec.engine == "openvino"


@pytest.mark.parametrize("name", [EngineName.OPENVINO, EngineName.ONNXRUNTIME])
def test_a_named_engine_is_the_one_that_opens(tiny_artefact: Artefact, name: EngineName) -> None:
    opened = open_engine(tiny_artefact, engine=name, canvas=CANVAS, threads=1)
    assert (opened.spec.engine, opened.spec.threads) == (name, 1)


def test_auto_falls_back_and_says_why(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hide(monkeypatch, "openvino")
    with caplog.at_level(logging.WARNING):
        assert open_engine(tiny_artefact, canvas=CANVAS).spec.engine == "onnxruntime"
    (event,) = caplog.records
    assert event.getMessage() == "engine_fallback"
    assert "pip install 'openvino" in event.__dict__["reason"]


def test_a_named_engine_never_falls_back(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "onnxruntime")
    with pytest.raises(EngineError, match=r"pip install 'posestream\[onnxruntime\]'"):
        open_engine(tiny_artefact, engine=EngineName.ONNXRUNTIME, canvas=CANVAS)


def test_without_any_engine_all_reasons_are_told(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "openvino", "onnxruntime")
    with pytest.raises(EngineError, match=r"openvino is not installed.*onnxruntime is not"):
        open_engine(tiny_artefact, canvas=CANVAS)


@pytest.mark.parametrize("precision", [Precision.FP8, Precision.FP16])
def test_a_precision_that_no_engine_has_is_refused(
    tiny_artefact: Artefact, precision: Precision
) -> None:
    with pytest.raises(EngineError, match=rf"openvino .* got {precision}.*onnxruntime runs fp32"):
        open_engine(tiny_artefact, canvas=CANVAS, precision=precision)


def test_the_best_precision_is_chosen_unless_asked_otherwise(tiny_artefact: Artefact) -> None:
    best = open_engine(tiny_artefact, canvas=CANVAS).spec.precision
    assert best is openvino_precisions()[0]
    plain = open_engine(tiny_artefact, canvas=CANVAS, precision=Precision.FP32)
    assert plain.spec.precision is Precision.FP32


@pytest.mark.parametrize(("vendor", "best"), [("GenuineIntel", "fp32"), ("AuthenticAMD", "bf16")])
def test_bf16_is_the_best_only_where_it_is_quick(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch, vendor: str, best: str
) -> None:
    really = Precision.BF16 in openvino_precisions()
    cpu = replace(cpu_features(), vendor=vendor, avx512_bf16=True, amx_bf16=False)
    monkeypatch.setattr(openvino_engine, "cpu_features", lambda: cpu)
    monkeypatch.setattr(openvino_engine, "_capabilities", lambda _: ["FP32", "BF16"])
    assert openvino_precisions()[0] == best
    assert set(openvino_precisions()) == {Precision.BF16, Precision.FP32}
    for asked in (None, Precision.BF16) if really else ():
        with closing(open_engine(tiny_artefact, canvas=CANVAS, precision=asked)) as opened:
            assert opened.spec.precision == (asked or best)


def test_a_canvas_that_the_model_lacks_is_refused(tiny_artefact: Artefact) -> None:
    with pytest.raises(EngineError, match=r"no canvas 64x64; it has 128x96, 96x128, 160x96"):
        open_engine(tiny_artefact, canvas=(64, 64))


@pytest.mark.parametrize("name", EngineName)
def test_too_many_threads_are_refused(tiny_artefact: Artefact, name: EngineName) -> None:
    with pytest.raises(ConfigError, match="threads: expected 1 to"):
        open_engine(tiny_artefact, engine=name, canvas=CANVAS, threads=100_000)


@pytest.mark.parametrize("name", [EngineName.OPENVINO, EngineName.ONNXRUNTIME])
def test_a_graph_that_is_none_is_refused(tmp_path: Path, name: EngineName) -> None:
    artefact = artefact_with_graph(tmp_path / "broken", b"")
    with pytest.raises(EngineError, match="cannot open model tiny"):
        open_engine(artefact, engine=name, canvas=CANVAS)


@pytest.mark.parametrize("name", [EngineName.OPENVINO, EngineName.ONNXRUNTIME])
def test_a_graph_with_other_outputs_than_its_manifest_is_refused(
    tmp_path: Path, name: EngineName
) -> None:
    model = tiny_onnx()
    model.graph.output[1].name = "score_column"
    model.graph.output[1].CopyFrom(
        onnx.helper.make_tensor_value_info("score_column", onnx.TensorProto.FLOAT, ["B", 30, 1])
    )
    artefact = artefact_with_graph(tmp_path / "other", model.SerializeToString())
    with pytest.raises(EngineError, match=r"outputs: expected \['keypoints', 'scores'\], got"):
        open_engine(artefact, engine=name, canvas=CANVAS)


def test_opening_openvino_does_not_phone_home(tmp_path: Path) -> None:
    program = (
        "import threading\n"
        "from engines.openvino_engine import openvino_precisions\n"
        "assert openvino_precisions()\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    environment.pop("CI", None)  # telemetry is off in CI anyway
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert list(tmp_path.iterdir()) == []  # its telemetry writes an id there
