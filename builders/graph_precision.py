"""The ONNX file that a TensorRT plan is built from: types as the precision asks, poses judged."""

from collections.abc import Callable, Mapping
from typing import Any

import onnx
import onnxruntime
from onnx import ModelProto, TensorProto

from builders.calibration import Calibration
from builders.explicit_quantisation import activation_ranges, quantisable_layers, quantise
from builders.half_precision import to_half
from builders.layer_choice import Layers, choose_layers
from engines.artefact import Artefact
from engines.engine import Precision
from stream.errors import ConfigError

Say = Callable[[str], None]
HALVES: Mapping[Precision, int] = {
    Precision.FP16: TensorProto.FLOAT16,
    Precision.BF16: TensorProto.BFLOAT16,
}


def graph_in_precision(
    artefact: Artefact, precision: Precision, calibration: Calibration | None, say: Say
) -> bytes:
    """The serialised graph.

    Args:
        artefact: the model.
        precision: int8 and fp8 need `calibration`.
        calibration: pictures; None where they are not needed.
        say: told each step and its reason.

    Raises:
        ConfigError: if pictures are needed and missing.
        EngineError: if quantisation breaks the limits however few layers it takes.
    """
    if precision is Precision.FP32:
        return artefact.onnx_path.read_bytes()
    model = onnx.load(artefact.onnx_path)
    if precision in HALVES:
        say(f"heavy layers to {precision}; coordinates stay fp32, a rounded one is a shifted joint")
        return bytes(to_half(model, HALVES[precision]).SerializeToString())
    if calibration is None:
        raise ConfigError(
            f"{precision} needs pictures to learn ranges from: give real ones with --pictures DIR"
        )
    return bytes(to_half(_quantised(model, precision, calibration, say)).SerializeToString())


def _quantised(
    model: ModelProto, precision: Precision, calibration: Calibration, say: Say
) -> ModelProto:
    layers = {layer.name: layer for layer in quantisable_layers(model)}
    pictures = calibration.ranges
    say(f"collects ranges of {len(layers)} convolutions from {len(pictures)} pictures")
    ranges = activation_ranges(model, pictures)

    def measure(chosen: Layers) -> Any:
        some = [layers[one] for one in chosen]
        candidate = quantise(model, precision, ranges, some)
        return calibration.agreement(_runner(candidate.SerializeToString()))

    limits = calibration.artefact.manifest.agreement_limits
    choice = choose_layers(tuple(layers), measure, limits, say)
    return quantise(model, precision, ranges, [layers[one] for one in choice.quantised])


def _runner(contents: bytes) -> Any:
    """ONNX Runtime as it stands: its rewriting of Q/DQ knows int8 only."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Any) -> dict[str, Any]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run
