"""Tiny models that look at one person: the brightest spot of a crop is their middle."""

import hashlib
import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.artefact import MANIFEST_NAME, MODEL_NAME, Artefact, load_artefact
from tests.tiny_model import OFFSETS_PX, tiny_manifest

CROP = (96, 128)
"""(width, height); a box of 76.8 x 102.4 px is cropped without scaling."""
CONFIDENCE = 0.5
CropStage = Literal["top_down", "refiner"]
CROPS = {"name": "crops", "dtype": "uint8", "shape": [None, None, None, 3]}
POSES = {"name": "poses", "dtype": "float32", "shape": [None, 17, 3]}
KEYPOINTS = {"name": "keypoints", "dtype": "float32", "shape": [None, 17, 3]}


def write_tiny_top_down(folder: Path, stage: CropStage = "top_down") -> Artefact:
    """Writes `model.onnx` and `manifest.json` and loads them.

    A top-down model puts joint j at the brightest spot + OFFSETS_PX[j] with confidence 0.5. A
    refiner moves the whole pose so that the brightest spot lies between its wrists, as it should.
    """
    folder.mkdir(parents=True)
    contents = tiny_crop_onnx(stage).SerializeToString(deterministic=True)
    (folder / MODEL_NAME).write_bytes(contents)
    manifest = tiny_manifest(f"tiny_{stage}", hashlib.sha256(contents).hexdigest()) | {
        "stage": stage,
        "inputs": [CROPS] if stage == "top_down" else [CROPS, POSES],
        "outputs": [KEYPOINTS],
        "canvases": [CROP],
        "thresholds": {"min_score": 0.2},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return load_artefact(folder)


def tiny_crop_onnx(stage: CropStage) -> onnx.ModelProto:
    """The graph."""
    side = np.array([1, 2, 3, 4, 3, 2, 1], np.float32) / 16
    ints = {"flat": [0, -1], "pick_green": [1], "x_axis": [2], "first": [0], "scores_from": [2]}
    ints |= {"scores_to": [3], "left_wrist": [9], "after_wrists": [11]}
    initializers = [
        numpy_helper.from_array(np.outer(side, side)[None, None], "tent"),
        numpy_helper.from_array(OFFSETS_PX[None], "offsets"),
        numpy_helper.from_array(np.full((1, 17, 1), CONFIDENCE, np.float32), "confidence"),
        *(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in ints.items()),
    ]
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["pixels"], to=TensorProto.FLOAT),
        node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        node("Gather", ["planes", "pick_green"], ["green"], axis=1),
        node("Conv", ["green", "tent"], ["smooth"], pads=[3, 3, 3, 3]),
        node("Reshape", ["smooth", "flat"], ["cells"]),
        node("ArgMax", ["cells"], ["index"], axis=1, keepdims=1),
        node("Shape", ["crops"], ["shape"]),
        node("Gather", ["shape", "x_axis"], ["width"], axis=0),
        node("Div", ["index", "width"], ["row"]),
        node("Mul", ["row", "width"], ["row_start"]),
        node("Sub", ["index", "row_start"], ["column"]),
        node("Concat", ["column", "row"], ["spot"], axis=1),
        node("Cast", ["spot"], ["spot_px"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["spot_px", "pick_green"], ["middle"]),
        *(_placed_nodes() if stage == "top_down" else _refined_nodes()),
        node("Concat", ["places", "confidences"], ["keypoints"], axis=2),
    ]
    inputs = [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", "H", "W", 3])]
    if stage == "refiner":
        inputs.append(helper.make_tensor_value_info("poses", TensorProto.FLOAT, ["N", 17, 3]))
    outputs = [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["N", 17, 3])]
    graph = helper.make_graph(nodes, f"tiny_{stage}", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _placed_nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Add", ["middle", "offsets"], ["places"]),
        node("Slice", ["places", "first", "pick_green", "x_axis"], ["one_column"]),
        node("Sub", ["one_column", "one_column"], ["nothing"]),
        node("Add", ["nothing", "confidence"], ["confidences"]),
    ]


def _refined_nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Slice", ["poses", "first", "scores_from", "x_axis"], ["start"]),
        node("Slice", ["poses", "scores_from", "scores_to", "x_axis"], ["confidences"]),
        node("Slice", ["start", "left_wrist", "after_wrists", "pick_green"], ["wrists"]),
        node("ReduceMean", ["wrists"], ["between_wrists"], axes=[1], keepdims=1),
        node("Sub", ["middle", "between_wrists"], ["shift"]),
        node("Add", ["start", "shift"], ["places"]),
    ]
