"""Compact one-pass networks and the person detector learn eight real pictures by heart, as decoded.

The trunk stands still, so that it runs only once; everything above it learns.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from builders.evaluation.coco_eval import box_statistics, keypoint_statistics
from builders.evaluation.labels import Labels
from builders.networks.bottom_up import CompactBottomUp
from builders.networks.bottom_up_decode import BottomUpGraph, DecodeSettings
from builders.networks.compact_pyramid import CompactPyramid, compact_pixels
from builders.networks.compact_smpr import CompactSmpr
from builders.networks.mobilenet_fpn import load_movenet, load_movenet_heads
from builders.networks.person_detector import DetectorGraph, PersonDetector
from builders.networks.person_detector_loss import DetectorLabels, detector_loss
from builders.networks.smpr_graph import COMPACT_DECODE, SmprGraph
from builders.networks.smpr_loss import smpr_loss
from builders.networks.yolox_nano import load_yolox_nano
from builders.training.labels import Person
from builders.training.losses import LossWeights, bottom_up_loss
from builders.training.pixels import movenet_pixels
from builders.training.targets import TargetSettings, make_targets
from engines.artefact import Thresholds
from engines.decoding.box_suppression import greedy_nms
from engines.decoding.suppression import select_people
from stream.skeleton import COCO_17
from tests.builders.networks.eight_pictures import LearntPicture, eight_pictures

SIDE = 192
BOTTOM_UP_SIDE = 256
BOTTOM_UP_STEPS = 64
MOVENET = "weights/movenet_multipose_heads_256.onnx"


def start(pyramid: CompactPyramid, shared_data: Path) -> None:
    """MoveNet's weights for the trunk and the first maps; the trunk is frozen."""
    load_movenet(pyramid.trunk, shared_data / MOVENET)
    load_movenet_heads(pyramid.first, shared_data / MOVENET)
    pyramid.trunk.requires_grad_(False)


def learn(
    network: nn.Module, loss: Callable[[], Mapping[str, Tensor]], steps: int, rate: float
) -> None:
    """Adam with warm-up and half a cosine."""
    network.train()
    parameters = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(parameters)
    for step in range(steps):
        cosine = 0.5 * (1 + np.cos(np.pi * step / steps)) + 0.01
        optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 10) * float(cosine)
        optimizer.zero_grad()
        total = torch.stack(list(loss().values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
    network.eval()


def canvases(pictures: list[LearntPicture]) -> Tensor:
    return torch.from_numpy(np.stack([picture.pixels for picture in pictures]))


def keypoint_ap(network: CompactSmpr, pictures: list[LearntPicture], labels: Labels) -> float:
    graph = SmprGraph(network, compact_pixels, COMPACT_DECODE)
    return graph_ap(graph, Thresholds(min_score=0.01, soft_nms_iou=0.3), pictures, labels)


def graph_ap(
    graph: nn.Module, thresholds: Thresholds, pictures: list[LearntPicture], labels: Labels
) -> float:
    """AP of an exported form and the suppression that follows it."""
    with torch.no_grad():
        keypoints, scores = (each.numpy() for each in graph(canvases(pictures)))
    selected = select_people(keypoints, scores, thresholds, COCO_17.sigmas)
    found = {}
    for picture, poses, (people, final) in zip(pictures, keypoints, selected, strict=True):
        poses[..., :2] = picture.place.to_source(poses[..., :2])
        found[picture.id] = (poses[people], final)
    return keypoint_statistics(labels, found)["AP"]


def test_compact_smpr_learns_eight_pictures_by_heart(shared_data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, labels = eight_pictures(shared_data, SIDE, tmp_path)
    network = CompactSmpr(64, 1)
    start(network.pyramid, shared_data)
    with torch.no_grad():
        trunk = network.pyramid.trunk.maps(compact_pixels(canvases(pictures)))

    def loss() -> Mapping[str, Tensor]:
        levels = network.pyramid.levels(trunk)
        maps = network.head(levels.features, levels.poses)
        return smpr_loss(maps, [p.joints for p in pictures], [p.areas for p in pictures])

    learn(network, loss, steps=110, rate=2e-3)
    assert keypoint_ap(network, pictures, labels) >= 0.9


def bottom_up_targets(pictures: list[LearntPicture], side: int) -> tuple[Tensor, ...]:
    """Heat, its weight, offset, its weight of all pictures: everybody is labelled."""
    settings = TargetSettings()
    background = np.ones((side // settings.stride,) * 2, np.float32)
    made = []
    for picture in pictures:
        boxes = picture.boxes.numpy()
        people = []
        for joints, box in zip(picture.joints.numpy(), boxes, strict=True):
            known = np.minimum(joints, (np.inf, np.inf, 1)).astype(np.float32)
            sides = np.concatenate((box[:2], box[2:] - box[:2]))
            people.append(Person(known, sides, absent_is_background=True))
        made.append(make_targets(people, background, settings))
    names = ("heat", "heat_weight", "offset", "offset_weight")
    return tuple(
        torch.from_numpy(np.stack([getattr(each, name) for each in made])) for name in names
    )


def test_the_bottom_up_network_learns_eight_pictures_by_heart(
    shared_data: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, labels = eight_pictures(shared_data, BOTTOM_UP_SIDE, tmp_path)
    network = CompactBottomUp()
    load_movenet(network.trunk, shared_data / MOVENET)
    load_movenet_heads(network.first, shared_data / MOVENET)
    network.trunk.requires_grad_(False)
    with torch.no_grad():
        trunk = network.trunk(movenet_pixels(canvases(pictures).permute(0, 3, 1, 2)))
    targets = bottom_up_targets(pictures, BOTTOM_UP_SIDE)
    heat, heat_weight, offset, offset_weight = targets

    def loss() -> Mapping[str, Tensor]:
        maps = network.maps(*trunk)
        given = (heat, heat_weight, offset, offset_weight)
        return {"all": 100 * bottom_up_loss(maps, given, LossWeights(offset=0.01))[0]}

    graph = BottomUpGraph(network.eval(), DecodeSettings(shrink=(1,)))
    suppression = Thresholds(min_score=0.01, nms_oks=0.7)
    learn(network, loss, steps=BOTTOM_UP_STEPS, rate=5e-3)
    assert graph_ap(graph, suppression, pictures, labels) >= 0.9


def test_the_detector_learns_eight_pictures_by_heart(shared_data: Path, tmp_path: Path) -> None:
    """From the released weights, which know what people look like, but not whom these count."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pictures, labels = eight_pictures(shared_data, SIDE, tmp_path)
    network = PersonDetector()
    load_yolox_nano(network.yolox, shared_data / "weights" / "yolox_nano_416.onnx")
    pixels = movenet_pixels(canvases(pictures).permute(0, 3, 1, 2))
    sides = [SIDE // stride for stride in (8, 16, 32)]
    sure = [torch.ones(len(pictures), side, side) for side in sides]
    known = DetectorLabels([picture.boxes for picture in pictures], sure)
    before = box_ap(network.eval(), pictures, labels)
    learn(network, lambda: detector_loss(network(pixels), known), steps=40, rate=3e-4)
    after = box_ap(network, pictures, labels)
    assert before < 0.7
    assert after >= 0.8


def box_ap(network: PersonDetector, pictures: list[LearntPicture], labels: Labels) -> float:
    """AP, as exported and suppressed."""
    with torch.no_grad():
        boxes, scores = (each.numpy() for each in DetectorGraph(network)(canvases(pictures)))
    found = {}
    for row, picture in enumerate(pictures):
        kept = greedy_nms(boxes[row], scores[row], 0.65)
        corners = picture.place.to_source(boxes[row, kept].reshape(-1, 2, 2)) + 0.5
        sides_px = corners[:, 1] - corners[:, 0]
        found[picture.id] = (np.concatenate([corners[:, 0], sides_px], 1), scores[row, kept])
    return box_statistics(labels, found)["AP"]
