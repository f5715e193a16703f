"""A model whose right answers are known without running it: bright squares are people.

The graph smooths the green channel with a 7x7 tent, keeps local maxima and takes the 30 highest.
A square of 7x7 px of grey level g (background below 128) gives exactly one person at its middle,
with score (g / 255 - 0.5) * 2, joint j at the middle + OFFSETS_PX[j] and confidence
score * (1 - j / 32). The tent's weights are exact in half precision and stored as such, with a
Cast, as real models store theirs.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from engines.artefact import MANIFEST_NAME, MODEL_NAME, Artefact, load_artefact

CANDIDATES = 30
CANVASES = ((128, 96), (96, 128), (160, 96))
SQUARE = 7
OFFSETS_PX = np.array([(40 * (j % 4) - 60, 40 * (j // 4) - 80) for j in range(17)], np.float32)
"""(17, 2) a coarse grid; many joints lie outside a small canvas, as those of real people may."""
FALL = (1 - np.arange(17) / 32).astype(np.float32)


def draw_people(
    width: int, height: int, people: dict[tuple[int, int], int], background: int = 20
) -> NDArray[np.uint8]:
    """(height, width, 3) picture with a square of the given grey level around each (x, y)."""
    picture = np.full((height, width, 3), background, np.uint8)
    reach = SQUARE // 2
    for (x, y), grey in people.items():
        picture[y - reach : y + reach + 1, x - reach : x + reach + 1] = grey
    return picture


def score_of(grey: int) -> float:
    """What the model scores a square of that grey level."""
    return (grey / 255 - 0.5) * 2


def pose_at(x: float, y: float, grey: int) -> NDArray[np.float32]:
    """(17, 3) what the model says of a square at (x, y)."""
    confidence = score_of(grey) * FALL
    middle = np.array([x, y], np.float32)
    return np.column_stack([OFFSETS_PX + middle, confidence]).astype(np.float32)


def write_tiny_artefact(folder: Path, name: str = "tiny") -> Artefact:
    """Writes `model.onnx` and `manifest.json` and loads them."""
    folder.mkdir(parents=True)
    contents = tiny_onnx().SerializeToString(deterministic=True)
    (folder / MODEL_NAME).write_bytes(contents)
    manifest = tiny_manifest(name, hashlib.sha256(contents).hexdigest())
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    return load_artefact(folder)


def tiny_manifest(name: str = "tiny", onnx_sha256: str = "0" * 64) -> dict[str, object]:
    """The JSON of the manifest."""
    return {
        "name": name,
        "stage": "one_pass",
        "description": "bright squares are people",
        "skeleton": "coco_17",
        "inputs": [{"name": "canvas", "dtype": "uint8", "shape": [None, None, None, 3]}],
        "outputs": [
            {"name": "keypoints", "dtype": "float32", "shape": [None, CANDIDATES, 17, 3]},
            {"name": "scores", "dtype": "float32", "shape": [None, CANDIDATES]},
        ],
        "canvases": CANVASES,
        "thresholds": {"min_score": 0.2, "nms_oks": 0.5},
        "onnx_sha256": onnx_sha256,
        "weights_sha256": "0" * 64,
        "licence": "Apache-2.0",
        "training": {"recipe": "none: written by hand"},
        "accuracy": {},
    }


def tiny_onnx() -> onnx.ModelProto:
    """The graph."""
    side = np.array([1, 2, 3, 4, 3, 2, 1], np.float64) / 16
    tent = np.outer(side, side).astype(np.float16)[None, None]
    ints = {"top": [CANDIDATES], "flat": [0, -1], "last": [3], "pick_green": [1], "x_axis": [2]}
    floats = {"half": 127.5, "negative": -1.0}
    initializers = [
        numpy_helper.from_array(tent, "tent.half"),
        numpy_helper.from_array(OFFSETS_PX[None, None], "offsets"),
        numpy_helper.from_array(FALL[None, None], "fall"),
        *(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in ints.items()),
        *(numpy_helper.from_array(np.array(v, np.float32), k) for k, v in floats.items()),
    ]
    node = helper.make_node
    nodes = [
        node("Cast", ["tent.half"], ["tent"], to=TensorProto.FLOAT),
        node("Cast", ["canvas"], ["pixels"], to=TensorProto.FLOAT),
        node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        node("Gather", ["planes", "pick_green"], ["green"], axis=1),
        node("Conv", ["green", "tent"], ["smooth"], pads=[3, 3, 3, 3]),
        node("Sub", ["smooth", "half"], ["above"]),
        node("Div", ["above", "half"], ["heat_signed"]),
        node("Relu", ["heat_signed"], ["heat"]),
        node("MaxPool", ["heat"], ["highest"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Equal", ["heat", "highest"], ["is_peak"]),
        node("Where", ["is_peak", "heat", "negative"], ["peaks"]),
        node("Reshape", ["peaks", "flat"], ["cells"]),
        node("TopK", ["cells", "top"], ["values", "index"], axis=1),
        node("Relu", ["values"], ["scores"]),
        node("Shape", ["canvas"], ["shape"]),
        node("Gather", ["shape", "x_axis"], ["width"], axis=0),
        node("Div", ["index", "width"], ["row"]),
        node("Mul", ["row", "width"], ["row_start"]),
        node("Sub", ["index", "row_start"], ["column"]),
        node("Cast", ["column"], ["x"], to=TensorProto.FLOAT),
        node("Cast", ["row"], ["y"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["x", "x_axis"], ["x_last"]),
        node("Unsqueeze", ["y", "x_axis"], ["y_last"]),
        node("Concat", ["x_last", "y_last"], ["middle"], axis=2),
        node("Unsqueeze", ["middle", "x_axis"], ["middles"]),
        node("Add", ["middles", "offsets"], ["placed"]),
        node("Unsqueeze", ["scores", "x_axis"], ["score_column"]),
        node("Mul", ["score_column", "fall"], ["confidence"]),
        node("Sign", ["score_column"], ["found"]),
        node("Unsqueeze", ["found", "last"], ["found_last"]),
        node("Mul", ["placed", "found_last"], ["joints"]),  # no person: all zero, in every engine
        node("Unsqueeze", ["confidence", "last"], ["confidence_last"]),
        node("Concat", ["joints", "confidence_last"], ["keypoints"], axis=3),
    ]
    graph = helper.make_graph(
        nodes,
        "bright_squares",
        [helper.make_tensor_value_info("canvas", TensorProto.UINT8, ["B", "H", "W", 3])],
        [
            helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["B", CANDIDATES, 17, 3]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", CANDIDATES]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model
