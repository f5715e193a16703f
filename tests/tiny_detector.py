"""The tiny detector: a bright square (see `tiny_model`) is a person of known size."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.artefact import MANIFEST_NAME, MODEL_NAME, Artefact, load_artefact
from tests.tiny_model import CANDIDATES, tiny_manifest, tiny_onnx

REACH_X, REACH_Y = 20.0, 30.0
"""Pixels from the middle of the square to the edges of the box."""


def write_tiny_detector(folder: Path, name: str = "tiny_detector") -> Artefact:
    """Writes `model.onnx` and `manifest.json` and loads them."""
    folder.mkdir(parents=True)
    contents = tiny_detector_onnx().SerializeToString(deterministic=True)
    (folder / MODEL_NAME).write_bytes(contents)
    manifest = tiny_manifest(name, hashlib.sha256(contents).hexdigest()) | {
        "stage": "detector",
        "outputs": [
            {"name": "boxes", "dtype": "float32", "shape": [None, CANDIDATES, 4]},
            {"name": "scores", "dtype": "float32", "shape": [None, CANDIDATES]},
        ],
        "thresholds": {"min_score": 0.2, "nms_iou": 0.5},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return load_artefact(folder)


def tiny_detector_onnx() -> onnx.ModelProto:
    """The graph of the pose model up to the squares, then a box around each."""
    model = tiny_onnx()
    graph = model.graph
    wanted = {"middle", "scores"}
    nodes = []
    for node in reversed(graph.node):  # what the boxes do not need goes
        if wanted & set(node.output):
            nodes.append(node)
            wanted |= set(node.input)
    reach = np.array([REACH_X, REACH_Y], np.float32)
    nodes = [
        *reversed(nodes),
        helper.make_node("Sub", ["middle", "reach"], ["top_left"]),
        helper.make_node("Add", ["middle", "reach"], ["bottom_right"]),
        helper.make_node("Concat", ["top_left", "bottom_right"], ["boxes"], axis=2),
    ]
    kept = [item for item in graph.initializer if item.name in wanted]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["B", CANDIDATES, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", CANDIDATES]),
    ]
    boxes = helper.make_graph(
        nodes,
        "boxes_of_squares",
        list(graph.input),
        outputs,
        [*kept, numpy_helper.from_array(reach, "reach")],
    )
    detector = helper.make_model(boxes, opset_imports=model.opset_import, ir_version=9)
    onnx.checker.check_model(detector)
    return detector
