"""Accuracy of networks that see whole canvases, decoded in torch as the exported model is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from builders.evaluation.coco_eval import box_statistics, evaluate, find_boxes_of
from builders.evaluation.labels import labelled_set, read_labels
from builders.evaluation.people import Boxes, People, Predict, Rgb
from engines.artefact import Thresholds
from engines.decoding.box_suppression import greedy_nms
from engines.decoding.suppression import select_people
from stream.clock import SystemClock
from stream.geometry import Letterbox, best_canvas, letterbox
from stream.picture import picture_from_rgb, to_canvas
from stream.skeleton import COCO_17

Canvases = Sequence[tuple[int, int]]

COMPACT_CANVASES = ((512, 384), (512, 288), (384, 512), (288, 512), (416, 416))
"""(width, height): 4:3 and 16:9, lying and standing, and square."""
PAPER_CANVASES = ((1344, 800), (800, 1344))
"""SMPR resizes pictures to at most 1333 x 800 and pads to multiples of 32."""

PredictBoxes = Callable[[Rgb], Boxes]
"""An (H, W, 3) RGB picture in, boxes out."""


def pose_predictor(graph: nn.Module, thresholds: Thresholds, canvases: Canvases) -> Predict:
    """A predictor that runs a one-pass graph in fp32 on the canvas that suits a picture best."""
    run = _on_canvas(graph, canvases)

    def predict(rgb: Rgb) -> People:
        keypoints, scores, place = run(rgb)
        [(chosen, final)] = select_people(keypoints, scores, thresholds, COCO_17.sigmas)
        people = keypoints[0, chosen].copy()
        people[..., :2] = place.to_source(people[..., :2])
        return people, np.asarray(final, np.float32)

    return predict


def box_predictor(graph: nn.Module, nms_iou: float, canvases: Canvases) -> PredictBoxes:
    """Likewise with a detector's graph; boxes are x, y, w, h as COCO counts them."""
    run = _on_canvas(graph, canvases)

    def predict(rgb: Rgb) -> Boxes:
        boxes, scores, place = run(rgb)
        kept = greedy_nms(boxes[0], scores[0], nms_iou)
        corners = place.to_source(boxes[0, kept].reshape(-1, 2, 2)) + np.float32(0.5)
        corners = corners.clip(0, [rgb.shape[1], rgb.shape[0]])
        sides = corners[:, 1] - corners[:, 0]
        return np.concatenate([corners[:, 0], sides], 1).astype(np.float32), scores[0, kept]

    return predict


def validate_poses(predict: Predict, data: Path, names: Sequence[str]) -> dict[str, float]:
    """`NAME AP` and `NAME AR` on the `val` split of each labelled set below `data`."""
    accuracy: dict[str, float] = {}
    for name in names:
        found = evaluate(predict, labelled_set(data, name, "val"))
        accuracy |= {f"{name} AP": found["AP"], f"{name} AR": found["AR"]}
    return accuracy


def validate_boxes(predict: PredictBoxes, data: Path, names: Sequence[str]) -> dict[str, float]:
    """`NAME box AP` and `NAME box AP50` on the `val` split of each labelled set below `data`."""
    accuracy: dict[str, float] = {}
    for name in names:
        labels = read_labels(labelled_set(data, name, "val"))
        boxes, _ = find_boxes_of(lambda _, rgb: predict(rgb), labels, SystemClock())
        found = box_statistics(labels, boxes)
        accuracy |= {f"{name} box AP": found["AP"], f"{name} box AP50": found["AP50"]}
    return accuracy


Arrays = NDArray[np.float32]


def _on_canvas(
    graph: nn.Module, canvases: Canvases
) -> Callable[[Rgb], tuple[Arrays, Arrays, Letterbox]]:
    graph = graph.eval()
    device = next(graph.parameters()).device

    def run(rgb: Rgb) -> tuple[Arrays, Arrays, Letterbox]:
        picture = picture_from_rgb(rgb)
        size = (picture.width, picture.height)
        place = letterbox(*size, *best_canvas(*size, canvases))
        with torch.no_grad():
            outputs: tuple[Tensor, Tensor] = graph(
                torch.from_numpy(to_canvas(picture, place))[None].to(device)
            )
        first, scores = (output.cpu().numpy() for output in outputs)
        return first, scores, place

    return run
