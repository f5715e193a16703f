"""A peer: YOLOX-nano person boxes (Megvii), then MoveNet per box (Google).

With MoveNet Thunder it is the teacher of the clips.
"""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from builders.evaluation.onnx_graph import OnnxGraph, OpenGraph
from builders.evaluation.people import Floats, People, Rgb
from stream.geometry import Letterbox, crop_affine, letterbox
from stream.picture import picture_from_rgb, to_canvas

DETECTOR_SIDE = 416
STRIDES = (8, 16, 32)
CROP_SIDES = MappingProxyType(
    {"movenet_singlepose_lightning": 192, "movenet_singlepose_thunder": 256}
)
CROP_PADDING = 1.25
MAX_BOX_OVERLAP = 0.65
"""Of greedy suppression (intersection over union), as YOLOX evaluates."""


class Cascade:
    """Top-down peer: the score of a person is the score of the box."""

    def __init__(
        self,
        detector: Path,
        pose: Path,
        min_score: float = 0.1,
        threads: int = 1,
        open_graph: OpenGraph = OnnxGraph,
        padding: float = CROP_PADDING,
    ) -> None:
        self.padding = padding
        """Of the crops."""
        self._detector = open_graph(detector, threads)
        self._pose = open_graph(pose, threads)
        self._side = CROP_SIDES[pose.stem]
        self._min_score = min_score

    def __call__(self, rgb: Rgb) -> People:
        """People of an (H, W, 3) picture: keypoints (N, 17, 3) in its pixels, scores (N,)."""
        boxes_px, scores = self.boxes(rgb)
        people = [self.pose(rgb, box) for box in boxes_px]
        return np.array(people, np.float32).reshape(-1, 17, 3), scores

    def boxes(self, rgb: Rgb) -> tuple[Floats, Floats]:
        """Person boxes (N, 4) x, y, w, h in source pixels and scores (N,), best first."""
        height, width = rgb.shape[:2]
        # YOLOX was trained with the picture in the upper left corner.
        place = replace(letterbox(width, height, DETECTOR_SIDE, DETECTOR_SIDE), left=0, top=0)
        canvas = to_canvas(picture_from_rgb(rgb), place)
        bgr = canvas[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        return decode_boxes(self._detector(bgr)[0], place, self._min_score)

    def pose(self, rgb: Rgb, box_px: Floats) -> Floats:
        """(17, 3) x, y, confidence in source pixels of the person in a box (x, y, w, h)."""
        side = self._side
        affine = crop_affine(box_px.tolist(), side, side, self.padding)
        crop = cv2.warpAffine(rgb, affine.matrix(), (side, side), flags=cv2.INTER_LINEAR)
        keypoints = self._pose(crop[None].astype(np.int32))[0, 0]
        source_px = affine.to_source(keypoints[:, 1::-1] * side)
        return np.concatenate([source_px, keypoints[:, 2:]], -1)


def decode_boxes(rows: Floats, place: Letterbox, min_score: float) -> tuple[Floats, Floats]:
    """(3549, 85) raw YOLOX rows to person boxes (N, 4) x, y, w, h in source pixels and scores (N,).

    Rows hold centre and log size in strides, objectness, 80 classes of which 0 is a person
    (Megvii-BaseDetection/YOLOX, `demo/ONNXRuntime/onnx_inference.py`).
    """
    cells, strides = _grid()
    scores = rows[:, 4] * rows[:, 5]
    kept = scores >= min_score
    centres = (rows[kept, :2] + cells[kept]) * strides[kept]
    sizes = np.exp(rows[kept, 2:4]) * strides[kept]
    corners = place.to_source((centres - sizes / 2 - 0.5).astype(np.float32))
    boxes = np.concatenate([corners, sizes / np.array(place.scale, np.float32)], -1)
    order = cv2.dnn.NMSBoxes(boxes.tolist(), scores[kept].tolist(), min_score, MAX_BOX_OVERLAP)
    chosen = np.asarray(order, np.intp).ravel()
    return boxes[chosen].astype(np.float32), scores[kept][chosen]


def _grid() -> tuple[Floats, Floats]:
    """(3549, 2) column and row of each output row, and (3549, 1) its stride."""
    cells: list[NDArray[np.float32]] = []
    strides: list[NDArray[np.float32]] = []
    for stride in STRIDES:
        count = DETECTOR_SIDE // stride
        rows, columns = np.mgrid[:count, :count]
        cells.append(np.stack([columns, rows], -1).reshape(-1, 2).astype(np.float32))
        strides.append(np.full((count * count, 1), stride, np.float32))
    return np.concatenate(cells), np.concatenate(strides)
