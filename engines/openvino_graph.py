"""What is changed of a graph that OpenVINO has read, before it compiles it."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engines.fp32_layers import mark_fp32_layers
from engines.openvino_package import import_openvino, openvino_core

CONVOLUTIONS = ("Convolution", "GroupConvolution")
FUSED = ("Add", "Clamp", "Multiply", "Relu", "Sigmoid")
"""OpenVINO computes these together with the convolution before them."""


def unshare_constants(model: Any) -> None:
    """Gives every layer of an `openvino.Model` constants of its own.

    Where a graph runs a network on several sizes of a picture, each bias belongs to several
    convolutions, and OpenVINO (2026.4) then computes their activations apart instead of together
    with them, which costs about a tenth of the time (`docs/training_runs.md`, "Sizes and units").
    Biases that are stored in half precision are widened here, as OpenVINO does not add them in the
    convolution either.
    """
    constant = import_openvino().op.Constant
    for layer in model.get_ordered_ops():
        if layer.get_type_name() == "Constant":
            readers, value = list(layer.output(0).get_target_inputs())[1:], np.array(layer.data)
        elif _is_widened_bias(layer):
            stored = layer.input_value(0).get_node()
            readers = list(layer.output(0).get_target_inputs())
            value = np.array(stored.data).astype(np.float32)
        else:
            continue
        for reader in readers:
            reader.replace_source_output(constant(value).output(0))


def _is_widened_bias(layer: Any) -> bool:
    if layer.get_type_name() != "Convert" or len(layer.get_output_partial_shape(0)) != 1:
        return False
    stored = layer.input_value(0).get_node()
    return stored.get_type_name() == "Constant" and bool(stored.data.dtype == np.float16)


def with_fp32_layers(model: Any, names: Sequence[str]) -> Any:
    """The same graph (an `openvino.Model`) with layers that keep fp32 (`engines/fp32_layers.py`).

    Raises:
        ArtefactError: if no layer has one of these in its name.
    """
    with TemporaryDirectory(prefix="posestream-") as folder:
        graph, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
        import_openvino().serialize(model, graph, weights)
        marked = mark_fp32_layers(graph.read_bytes(), names, set(_fused_with(model, names)))
        return openvino_core().read_model(io.BytesIO(marked), io.BytesIO(weights.read_bytes()))


def _fused_with(model: Any, names: Sequence[str]) -> Iterator[str]:
    """What is computed along with convolutions of such names, and so in the same precision."""
    for layer in model.get_ordered_ops():
        name = layer.get_friendly_name()
        if layer.get_type_name() in CONVOLUTIONS and any(part in name for part in names):
            reader = _only_reader(layer)
            while reader is not None and reader.get_type_name() in FUSED:
                yield reader.get_friendly_name()
                reader = _only_reader(reader)


def _only_reader(layer: Any) -> Any | None:
    readers = [reader.get_node() for reader in layer.output(0).get_target_inputs()]
    values = [reader for reader in readers if reader.get_type_name() != "ShapeOf"]
    return values[0] if len(values) == 1 else None
