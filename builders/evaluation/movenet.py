"""The peer: MoveNet MultiPose Lightning (Google, Apache-2.0), one-stage, up to six people."""

from pathlib import Path

import numpy as np

from builders.evaluation.onnx_graph import OnnxGraph, OpenGraph
from builders.evaluation.people import Floats, People, Rgb
from stream.geometry import Letterbox, letterbox
from stream.picture import picture_from_rgb, to_canvas

SIDE_MULTIPLE = 32


class MoveNetMultiPose:
    """The graph with its decoding inside; a picture's long side is scaled to `long_side` pixels."""

    def __init__(
        self, onnx: Path, long_side: int, threads: int = 1, open_graph: OpenGraph = OnnxGraph
    ) -> None:
        self._graph = open_graph(onnx, threads)
        self._long_side = long_side

    def __call__(self, rgb: Rgb) -> People:
        """People of an (H, W, 3) picture: keypoints (N, 17, 3) in its pixels, scores (N,)."""
        place = _placed(rgb.shape[1], rgb.shape[0], self._long_side)
        canvas = to_canvas(picture_from_rgb(rgb), place)
        return multipose_people(self._graph(canvas[None].astype(np.int32))[0], place)


def multipose_people(rows: Floats, place: Letterbox) -> People:
    """(6, 56) rows of 17 x (y, x, score), box, score in shares of the canvas, to source pixels.

    Rows that the network left empty (score 0) are no people.
    """
    people = rows[rows[:, 55] > 0]
    keypoints = people[:, :51].reshape(-1, 17, 3)
    shares = keypoints[..., 1::-1]
    canvas_px = shares * np.array([place.canvas_width, place.canvas_height], np.float32)
    source_px = place.to_source(canvas_px)
    return np.concatenate([source_px, keypoints[..., 2:]], -1), people[:, 55]


def _placed(width: int, height: int, long_side: int) -> Letterbox:
    """On the smallest canvas with sides of 32 that holds the scaled picture."""
    scale = long_side / max(width, height)
    sides = (int(np.ceil(side * scale / SIDE_MULTIPLE - 1e-6)) for side in (width, height))
    return letterbox(width, height, *(side * SIDE_MULTIPLE for side in sides))
