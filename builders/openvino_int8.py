"""int8 for OpenVINO by NNCF's post-training quantisation, judged by final keypoints."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders.calibration import Calibration
from builders.layer_choice import LayerChoice, Layers, choose_layers
from engines.artefact import Artefact
from engines.engine import Precision
from engines.openvino_engine import QUANTISED_NAME, precision_hint
from engines.openvino_graph import with_fp32_layers
from engines.openvino_package import import_openvino, openvino_core, without_telemetry
from engines.tensor_check import fixed_inputs
from stream.errors import EngineError

CONVOLUTIONS = {"Convolution", "ConvolutionBackpropData"}
"""Grouped ones stay out: OpenVINO 2026.4 computes them in bf16 or fp32 all the same, and their
ranges cost accuracy (MobileNetV2: 1.08 times as fast as bf16 with them, 1.16 times without)."""
Say = Callable[[str], None]


def write_int8_graph(calibration: Calibration, folder: Path, say: Say) -> LayerChoice:
    """Writes the quantised graph into a folder; any canvas of the model can be compiled from it.

    Raises:
        EngineError: if NNCF is missing or no choice of layers holds the limits.
    """
    core, artefact = openvino_core(), calibration.artefact
    layers = quantisable_convolutions(artefact)
    say(f"collects ranges of {len(layers)} convolutions from {len(calibration.ranges)} pictures")
    made: dict[Layers, Any] = {}

    def measure(chosen: Layers) -> Any:
        made.clear()  # one candidate in memory
        made[chosen] = _quantised(core.read_model(artefact.onnx_path), calibration, chosen)
        return calibration.agreement(_runner(core, made[chosen].clone(), calibration))

    choice = choose_layers(layers, measure, artefact.manifest.agreement_limits, say)
    _save(made[choice.quantised], folder)
    return choice


def write_unjudged_graph(calibration: Calibration, layers: Layers, folder: Path) -> None:
    """Writes the graph with just these layers quantised, whatever becomes of its people."""
    model = openvino_core().read_model(calibration.artefact.onnx_path)
    _save(_quantised(model, calibration, layers), folder)


def quantisable_convolutions(artefact: Artefact) -> Layers:
    """Convolutions that may be quantised, in the order of the graph; not those that keep fp32."""
    kept = artefact.manifest.fp32_layers
    names = _layers(openvino_core().read_model(artefact.onnx_path))
    return tuple(name for name in names if not any(one in name for one in kept))


def _save(model: Any, folder: Path) -> None:
    import_openvino().save_model(model, folder / QUANTISED_NAME, compress_to_fp16=True)


def _quantised(model: Any, calibration: Calibration, chosen: Layers) -> Any:
    nncf, pictures = _import_nncf(), list(calibration.ranges)
    others = [name for name in _layers(model) if name not in chosen]
    if not chosen:
        return model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nncf.quantize(
            model,
            nncf.Dataset(pictures),
            # Activations after a ReLU are one-sided: with a zero-point they use all 8 bits.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            # Sums, products and samplings stay: in the tail they compute coordinates.
            ignored_scope=nncf.IgnoredScope(
                names=others, types=_other_types(model), validate=False
            ),
        )


def compiled_to_judge(core: Any, model: Any, artefact: Artefact, canvas: tuple[int, int]) -> Any:
    """A quantised `openvino.Model`, compiled for one picture; what is left alone as it will run."""
    if kept := artefact.manifest.fp32_layers:
        model = with_fp32_layers(model, kept)
    inputs = fixed_inputs(artefact.manifest, canvas)
    model.reshape({spec.name: [1, *spec.shape[1:]] for spec in inputs})
    hint = {"INFERENCE_PRECISION_HINT": precision_hint(Precision.INT8)}
    return core.compile_model(model, "CPU", hint)


def _runner(core: Any, model: Any, calibration: Calibration) -> Any:
    compiled = compiled_to_judge(core, model, calibration.artefact, calibration.canvas)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(inputs: Any) -> dict[str, Any]:
        found = compiled(inputs)
        return {name: found[index] for index, name in enumerate(names)}

    return run


def _layers(model: Any) -> tuple[str, ...]:
    return tuple(
        node.get_friendly_name()
        for node in model.get_ordered_ops()
        if node.get_type_name() in CONVOLUTIONS
    )


def _other_types(model: Any) -> list[str]:
    return sorted({node.get_type_name() for node in model.get_ops()} - CONVOLUTIONS)


def _import_nncf() -> Any:
    """The package, kept from phoning home as OpenVINO is, and from talking on standard output.

    Raises:
        EngineError: if it is missing.
    """
    try:
        with without_telemetry(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf  # noqa: PLC0415 - 2 s that only a quantisation pays
    except ImportError as error:
        raise EngineError(
            "nncf is not installed; int8 needs it: pip install 'posestream[build]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf
