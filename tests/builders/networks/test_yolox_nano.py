from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from builders.networks.yolox_nano import YoloxNano, load_yolox_nano
from stream.errors import ArtefactError


def test_the_released_weights_give_what_the_released_graph_gives(shared_data: Path) -> None:
    import onnxruntime  # noqa: PLC0415 - heavy, and only the reference here

    path = shared_data / "weights" / "yolox_nano_416.onnx"
    network = YoloxNano().eval()
    load_yolox_nano(network, path)
    rows, columns = np.mgrid[:416, :416]
    waves = [np.sin(rows / step) * np.cos(columns / (step + 9)) for step in (7, 23, 61)]
    rgb = (127 + 120 * np.stack(waves)).astype(np.float32)[None]
    session = onnxruntime.InferenceSession(path)
    [released] = session.run(None, {"images": np.ascontiguousarray(rgb[:, ::-1])})
    with torch.no_grad():
        maps = network(torch.from_numpy(rgb) / 127.5 - 1)
    boxes, person = (
        np.concatenate([level.flatten(2).numpy() for level in levels], 2)[0].T
        for levels in (maps.boxes, maps.person)
    )
    np.testing.assert_allclose(boxes, released[0, :, :4], atol=1e-3)
    np.testing.assert_allclose(1 / (1 + np.exp(-person)), released[0, :, 4:6], atol=1e-4)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [],
        "empty",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(ArtefactError, match=r"other\.onnx: expected YOLOX-nano's 113 convolutions"):
        load_yolox_nano(YoloxNano(), tmp_path / "other.onnx")
