from dataclasses import replace

import pytest

from builders.openvino_int8 import compiled_to_judge
from engines import openvino_engine
from engines.artefact import Artefact
from engines.engine import Precision
from engines.hardware import cpu_features
from engines.openvino_engine import precision_hint
from engines.openvino_package import openvino_core


@pytest.mark.parametrize("vendor", ["GenuineIntel", "AuthenticAMD"])
def test_what_is_left_alone_is_judged_as_it_will_run(
    tiny_artefact: Artefact, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    cpu = replace(cpu_features(), vendor=vendor, avx512_bf16=True, amx_bf16=False)
    monkeypatch.setattr(openvino_engine, "cpu_features", lambda: cpu)
    core = openvino_core()
    model = core.read_model(tiny_artefact.onnx_path)
    compiled = compiled_to_judge(core, model, tiny_artefact, (128, 96))
    hint = compiled.get_property("INFERENCE_PRECISION_HINT")
    assert hint.get_type_name() == precision_hint(Precision.INT8)
