"""Accuracy of a network in torch, decoded and suppressed as the shipped model will be."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from builders.evaluation.coco_eval import evaluate
from builders.evaluation.labels import labelled_set
from builders.evaluation.people import People, Predict, Rgb
from builders.networks.bottom_up import CompactBottomUp
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from engines.artefact import Thresholds
from engines.decoding.suppression import suppress_doubles
from stream.geometry import best_canvas, letterbox
from stream.picture import picture_from_rgb, to_canvas
from stream.skeleton import COCO_17

CANVASES = ((576, 448), (512, 288), (448, 576), (288, 512), (448, 448))
"""(width, height): 4:3 and 16:9, lying and standing, and square."""

THRESHOLDS = Thresholds(min_score=0.02, nms_oks=0.6)
"""For AP, which wants the weak candidates too."""


def torch_predictor(
    network: CompactBottomUp,
    settings: DecodeSettings,
    thresholds: Thresholds = THRESHOLDS,
    canvases: Sequence[tuple[int, int]] = CANVASES,
) -> Predict:
    """A predictor that runs `network` in fp32 torch on the canvas that suits a picture best."""
    graph = BottomUpGraph(network, settings).eval()
    device = next(network.parameters()).device

    def predict(rgb: Rgb) -> People:
        picture = picture_from_rgb(rgb)
        size = (picture.width, picture.height)
        place = letterbox(*size, *best_canvas(*size, canvases))
        with torch.no_grad():
            outputs = graph(torch.from_numpy(to_canvas(picture, place))[None].to(device))
        keypoints, scores = (output.cpu().numpy() for output in outputs)
        kept = suppress_doubles(keypoints, scores, thresholds, COCO_17.sigmas)[0]
        people = keypoints[0, kept].copy()
        people[..., :2] = place.to_source(people[..., :2])
        return people, np.asarray(scores[0, kept], np.float32)

    return predict


def validate(network: CompactBottomUp, data: Path, names: Sequence[str]) -> dict[str, float]:
    """`NAME AP` and `NAME AR` on the `val` split of each labelled set below `data`."""
    predict = torch_predictor(network, DecodeSettings())
    accuracy: dict[str, float] = {}
    for name in names:
        found = evaluate(predict, labelled_set(data, name, "val"))
        accuracy |= {f"{name} AP": found["AP"], f"{name} AR": found["AR"]}
    return accuracy
