"""Puts explicit quantisation (Q/DQ) around convolutions: what TensorRT takes for int8 and fp8.

Symmetric, zero-point 0; activations with one scale, weights with one an output channel. Activation
ranges come from real pictures. fp8 needs opset 19.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from engines.engine import Precision
from stream.errors import ConfigError, EngineError

OPSET = 19
KEPT_SHARE = 99.99
"""Percentile of the absolute values of an activation that stays in range."""
LARGEST: Mapping[Precision, float] = MappingProxyType({Precision.INT8: 127.0, Precision.FP8: 448.0})
"""Largest number of int8 (symmetric) and of float8 E4M3."""
TYPES: Mapping[Precision, int] = MappingProxyType(
    {Precision.INT8: TensorProto.INT8, Precision.FP8: TensorProto.FLOAT8E4M3FN}
)
OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1}
"""Of the weights, the axis of output channels."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution that may be quantised."""

    name: str
    """Of its output tensor: nodes need have no name."""
    activation: str
    """Name of its input tensor."""
    weights: str


def quantisable_layers(model: ModelProto) -> list[Layer]:
    """Dense convolutions with constant weights, in the order of the graph.

    Grouped ones stay out: a channel alone has nothing to average errors with, and TensorRT-RTX
    1.7 stores quantised depthwise weights densely (a plan of 308 instead of 27 MB was seen).
    """
    constant = _constants(model)
    return [
        Layer(node.output[0], node.input[0], node.input[1])
        for node in model.graph.node
        if node.op_type in OUTPUT_AXIS and node.input[1] in constant and _groups(node) == 1
    ]


def activation_ranges(
    model: ModelProto, batches: Sequence[Mapping[str, NDArray[np.generic]]]
) -> dict[str, float]:
    """Largest absolute value (but for outliers) of each layer's input over batches of inputs.

    Raises:
        ConfigError: if there are no pictures.
    """
    if not batches:
        raise ConfigError("quantisation: no calibration pictures; give some with --pictures DIR")
    names = sorted({layer.activation for layer in quantisable_layers(model)})
    shown = ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ranges = dict.fromkeys(names, 0.0)
    for batch in batches:
        for name, values in zip(names, session.run(names, dict(batch)), strict=True):
            ranges[name] = max(ranges[name], float(np.percentile(np.abs(values), KEPT_SHARE)))
    return ranges


def quantise(
    model: ModelProto, precision: Precision, ranges: Mapping[str, float], layers: Sequence[Layer]
) -> ModelProto:
    """A copy at opset 19 in which the given layers are quantised.

    Raises:
        EngineError: if the precision is not int8 or fp8.
    """
    if precision not in TYPES:
        raise EngineError(f"explicit quantisation: expected int8 or fp8, got {precision}")
    out = onnx.version_converter.convert_version(model, OPSET)
    constants = _constants(out)
    wanted = {layer.name for layer in layers}
    nodes: list[NodeProto] = []
    done: set[str] = set()
    for node in out.graph.node:
        if node.output and node.output[0] in wanted:
            activation, weights = node.input[0], node.input[1]
            if activation not in done:
                nodes += _quantise_activation(out, activation, precision, ranges[activation])
                done.add(activation)
            if weights not in done:
                axis = OUTPUT_AXIS[node.op_type]
                nodes.append(_store_weights(out, weights, precision, constants[weights], axis))
                done.add(weights)
            node.input[0], node.input[1] = f"{activation}.dq", f"{weights}.dq"
        nodes.append(node)
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    _drop_unused(out)
    return out


def _quantise_activation(
    model: ModelProto, name: str, precision: Precision, largest: float
) -> list[NodeProto]:
    scale = np.float32(max(largest, 1e-6) / LARGEST[precision])
    _keep_scale(model, name, precision, np.array(scale, np.float32))
    names = [f"{name}.scale", f"{name}.zero"]
    return [
        helper.make_node("QuantizeLinear", [name, *names], [f"{name}.q"]),
        helper.make_node("DequantizeLinear", [f"{name}.q", *names], [f"{name}.dq"]),
    ]


def _store_weights(
    model: ModelProto, name: str, precision: Precision, weights: Floats, axis: int
) -> NodeProto:
    others = tuple(side for side in range(weights.ndim) if side != axis)
    scale = (np.abs(weights).max(axis=others).clip(1e-9) / LARGEST[precision]).astype(np.float32)
    shape = [-1 if side == axis else 1 for side in range(weights.ndim)]
    shrunk = weights / scale.reshape(shape)
    _keep_scale(model, name, precision, scale)
    if precision is Precision.INT8:
        stored = np.rint(shrunk).clip(-127, 127).astype(np.int8)
        tensor = numpy_helper.from_array(stored, f"{name}.q")
    else:
        tensor = _fp8_tensor(f"{name}.q", shrunk.astype(np.float32))
    model.graph.initializer.append(tensor)
    names = [f"{name}.q", f"{name}.scale", f"{name}.zero"]
    return helper.make_node("DequantizeLinear", names, [f"{name}.dq"], axis=axis)


def _keep_scale(model: ModelProto, name: str, precision: Precision, scale: Floats) -> None:
    zeros = np.zeros(scale.shape, np.int8)
    zero = numpy_helper.from_array(zeros, f"{name}.zero")
    if precision is Precision.FP8:
        zero = _fp8_tensor(f"{name}.zero", np.zeros(scale.shape, np.float32))
    model.graph.initializer.extend([numpy_helper.from_array(scale, f"{name}.scale"), zero])


def _fp8_tensor(name: str, values: Floats) -> TensorProto:
    raw = values.astype(ml_dtypes.float8_e4m3fn).tobytes()
    return helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, values.shape, raw, raw=True)


def _groups(node: NodeProto) -> int:
    return next((int(item.i) for item in node.attribute if item.name == "group"), 1)


def _drop_unused(model: ModelProto) -> None:
    """The fp32 weights that nobody reads any more, and the casts that made them."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    used |= {output.name for output in graph.output}
    kept = [node for node in graph.node if node.op_type != "Cast" or used & set(node.output)]
    used = {name for node in kept for name in node.input}
    stored = [item for item in graph.initializer if item.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(stored)


def _constants(model: ModelProto) -> dict[str, Floats]:
    """fp32 values of initialisers, those stored in half precision with a Cast among them."""
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    floats = {name: array for name, array in stored.items() if array.dtype == np.float32}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            floats[node.output[0]] = stored[node.input[0]].astype(np.float32)
    return floats
