"""A tiny scorer: the farther left somebody's nose is, the better the pose."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engines.artefact import MANIFEST_NAME, MODEL_NAME, NO_PICTURE, Artefact, load_artefact
from tests.tiny_model import tiny_manifest

WIDTH = 200
"""A nose at this place scores 0, at 0 pixels the pose keeps its score."""
POSES = {"name": "poses", "dtype": "float32", "shape": [None, 17, 3]}
SCORES = {"name": "scores", "dtype": "float32", "shape": [None]}


def write_tiny_scorer(folder: Path) -> Artefact:
    """Writes `model.onnx` and `manifest.json` and loads them."""
    folder.mkdir(parents=True)
    contents = tiny_scorer_onnx().SerializeToString(deterministic=True)
    (folder / MODEL_NAME).write_bytes(contents)
    manifest = tiny_manifest("tiny_scorer", hashlib.sha256(contents).hexdigest()) | {
        "stage": "scorer",
        "inputs": [POSES, SCORES],
        "outputs": [SCORES | {"name": "rescored"}],
        "canvases": [NO_PICTURE],
        "thresholds": {"min_score": 0.0},
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return load_artefact(folder)


def tiny_scorer_onnx() -> onnx.ModelProto:
    """The graph."""
    node = helper.make_node
    nodes = [
        node("Gather", ["poses", "first"], ["nose"], axis=1),
        node("Gather", ["nose", "first"], ["x"], axis=1),
        node("Div", ["x", "width"], ["place"]),
        node("Sub", ["one", "place"], ["share"]),
        node("Mul", ["share", "scores"], ["rescored"]),
    ]
    given = [
        helper.make_tensor_value_info("poses", TensorProto.FLOAT, ["N", 17, 3]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N"]),
    ]
    told = [helper.make_tensor_value_info("rescored", TensorProto.FLOAT, ["N"])]
    constants = [
        numpy_helper.from_array(np.array(0, np.int64), "first"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        numpy_helper.from_array(np.array(WIDTH, np.float32), "width"),
    ]
    graph = helper.make_graph(nodes, "tiny_scorer", given, told, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model
