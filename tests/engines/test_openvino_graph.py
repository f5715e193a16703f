"""What is changed of OpenVINO's graphs before they are compiled."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.openvino_graph import unshare_constants
from engines.openvino_package import openvino_core


@pytest.mark.parametrize("stored", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_layers_that_share_a_bias_take_their_activation_along(tmp_path: Path, stored: int) -> None:
    graph = tmp_path / "two_sizes.onnx"
    onnx.save(two_sizes_of_one_layer(stored), graph)
    core = openvino_core()
    model = core.read_model(graph)
    unshare_constants(model)
    layers = core.compile_model(model, "CPU").get_runtime_model().get_ops()
    kinds = [layer.get_rt_info()["layerType"].astype(str) for layer in layers]
    assert kinds.count("Convolution") == 2
    assert not {"Subgraph", "Eltwise"} & set(kinds)


def two_sizes_of_one_layer(stored: int) -> onnx.ModelProto:
    """A convolution with bias and activation that sees a picture whole and at half its size.

    Args:
        stored: type of weight and bias, which are cast to fp32.
    """
    random = np.random.default_rng(1)
    shared = {
        "weight": random.normal(size=(16, 3, 3, 3)),
        "bias": random.normal(size=16),
        "low": np.array(0.0),
        "high": np.array(6.0),
    }
    nodes = [helper.make_node("AveragePool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2])]
    kept = {name: values.astype(np.float32) for name, values in shared.items()}
    for name in ("weight", "bias") if stored == TensorProto.FLOAT16 else ():
        kept[f"{name}.half"] = kept.pop(name).astype(np.float16)
        nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for name, size in (("whole", "x"), ("small", "half")):
        convolution = helper.make_node("Conv", [size, "weight", "bias"], [f"{name}_conv"])
        clip = helper.make_node("Clip", [f"{name}_conv", "low", "high"], [name])
        nodes += [convolution, clip]
    floats = TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "two sizes",
        [helper.make_tensor_value_info("x", floats, [1, 3, 32, 32])],
        [helper.make_tensor_value_info(name, floats, None) for name in ("whole", "small")],
        [numpy_helper.from_array(values, name) for name, values in kept.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
