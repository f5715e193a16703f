import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from builders.explicit_quantisation import activation_ranges, quantisable_layers, quantise
from builders.half_precision import chosen_nodes, to_half
from engines.engine import Precision
from stream.errors import ConfigError, EngineError
from tests.tiny_model import draw_people, tiny_onnx

DICE = np.random.default_rng(0)
PICTURES = DICE.random((4, 3, 16, 16), np.float32)


def small_network() -> ModelProto:
    """Convolution, sum, sampling with a computed grid, convolution, and a tail that counts."""
    node = helper.make_node
    weights = {
        "w1": DICE.normal(0, 0.3, (8, 3, 3, 3)),
        "w2": DICE.normal(0, 0.3, (8, 1, 3, 3)),
        "wg": DICE.normal(0, 0.01, (2, 8, 1, 1)),
        "w3": DICE.normal(0, 0.3, (4, 8, 1, 1)),
    }
    stored = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    stored.append(numpy_helper.from_array(np.array(2.0, np.float32), "two"))
    nodes = [
        node("Conv", ["x", "w1"], ["a"], name="first", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], name="relu"),
        node("Conv", ["b", "w2"], ["c"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        node("Add", ["b", "c"], ["d"], name="sum"),
        node("Conv", ["d", "wg"], ["offsets"], name="grid_maker"),
        node("Transpose", ["offsets"], ["grid"], name="grid_last", perm=[0, 2, 3, 1]),
        node("Mul", ["grid", "two"], ["grid2"], name="grid_scale"),
        node("GridSample", ["d", "grid2"], ["sampled"], name="sample", align_corners=0),
        node("Conv", ["sampled", "w3"], ["maps"], name="last"),
        node("Mul", ["maps", "two"], ["y"], name="tail"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 4, 16, 16])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model: ModelProto, name: str, values: NDArray[np.generic]) -> NDArray[np.float32]:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: NDArray[np.float32] = session.run(None, {name: values})[0]
    return found


def test_heavy_layers_and_what_lies_between_change_and_coordinates_do_not() -> None:
    model = onnx.shape_inference.infer_shapes(small_network())
    chosen = {model.graph.node[index].name for index in chosen_nodes(model)}
    assert chosen == {"first", "relu", "depthwise", "sum", "grid_maker", "last"}


def test_half_precision_computes_nearly_the_same_and_keeps_inputs_and_outputs() -> None:
    model = small_network()
    half = to_half(model)
    assert half.graph.input == model.graph.input
    assert half.graph.output == model.graph.output
    expected = run(model, "x", PICTURES)
    found = run(half, "x", PICTURES)
    assert found.dtype == np.float32
    # ONNX Runtime on a processor drops casts there and back: this shows the wiring, not rounding.
    assert np.abs(found - expected).max() < 0.02


@pytest.mark.parametrize("elem_type", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_the_heavy_part_has_the_asked_type(elem_type: int) -> None:
    half = onnx.shape_inference.infer_shapes(to_half(small_network(), elem_type))
    types = {info.name: info.type.tensor_type.elem_type for info in half.graph.value_info}
    assert {types[name] for name in ("a", "b", "c", "d", "offsets", "maps")} == {elem_type}
    assert {types[name] for name in ("grid", "grid2", "sampled")} == {TensorProto.FLOAT}


def test_a_graph_that_stores_halves_uses_them_as_they_are() -> None:
    model = tiny_onnx()
    half = to_half(model)
    [conv] = [node for node in half.graph.node if node.op_type == "Conv"]
    assert conv.input[1] == "tent.half"
    picture = draw_people(128, 96, {(40, 40): 250, (90, 50): 200})[None]
    expected = run(model, "canvas", picture)
    np.testing.assert_allclose(run(half, "canvas", picture), expected, atol=0.01)


def test_dense_convolutions_are_quantised_and_the_others_left() -> None:
    assert [layer.name for layer in quantisable_layers(small_network())] == [
        "a",
        "offsets",
        "maps",
    ]


@pytest.mark.parametrize(("precision", "tolerance"), [(Precision.INT8, 0.2), (Precision.FP8, 0.6)])
def test_quantised_layers_compute_roughly_the_same(precision: Precision, tolerance: float) -> None:
    model = small_network()
    layers = [layer for layer in quantisable_layers(model) if layer.name != "offsets"]
    ranges = activation_ranges(model, [{"x": PICTURES}])
    quantised = quantise(model, precision, ranges, layers)
    kinds = [node.op_type for node in quantised.graph.node]
    assert kinds.count("QuantizeLinear") == 2
    assert kinds.count("DequantizeLinear") == 4
    apart = np.abs(run(quantised, "x", PICTURES) - run(model, "x", PICTURES)).max()
    assert 0 < apart < tolerance
    mixed = to_half(quantised)
    assert np.abs(run(mixed, "x", PICTURES) - run(model, "x", PICTURES)).max() < tolerance + 0.02


def test_without_pictures_there_are_no_ranges() -> None:
    with pytest.raises(ConfigError, match="no calibration pictures"):
        activation_ranges(small_network(), [])


def test_only_int8_and_fp8_are_quantisation() -> None:
    with pytest.raises(EngineError, match="expected int8 or fp8, got fp16"):
        quantise(small_network(), Precision.FP16, {}, [])
