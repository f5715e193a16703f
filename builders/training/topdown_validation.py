"""Accuracy of top-down networks in the labelled boxes, in torch."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from builders.evaluation.coco_eval import keypoint_statistics
from builders.evaluation.labels import (
    LabelledSet,
    Labels,
    Record,
    labelled_set,
    read_labels,
)
from builders.evaluation.pck import PckScale, pck_report
from builders.evaluation.people import Floats, People, read_rgb
from builders.evaluation.top_down import scored_people
from stream.geometry import CropAffine, crop_affine
from stream.skeleton import COCO_17

BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class CropForm:
    """A network as it is exported."""

    graph: nn.Module
    """uint8 crops (N, h, w, 3) RGB to keypoints (N, 17, 3) in crop pixels."""
    size: tuple[int, int]
    """(width, height) of a crop."""
    padding: float = 1.25
    """Of the labelled box: `crop_affine`."""


def validate_in_true_boxes(form: CropForm, data: Path, names: Sequence[str]) -> dict[str, float]:
    """`NAME AP`, `NAME AR` and `NAME PCK@0.1` (of the box) on the `val` split of each set."""
    accuracy: dict[str, float] = {}
    for name in names:
        figures = measure_in_true_boxes(form, labelled_set(data, name, "val"))
        accuracy |= {f"{name} {metric}": value for metric, value in figures.items()}
    return accuracy


def measure_in_true_boxes(form: CropForm, labelled: LabelledSet) -> dict[str, float]:
    """AP, AR and PCK@0.1 (of the box) on a set."""
    labels = read_labels(labelled)
    found = people_in_true_boxes(form, labels)
    statistics = keypoint_statistics(labels, found)
    pck = pck_report(labels, found, PckScale.BOX).total
    return {name: statistics[name] for name in ("AP", "AR")} | {"PCK@0.1": pck["PCK@0.1"]}


@dataclass(frozen=True, slots=True, eq=False)
class FoundInBox:
    """What was found in a labelled box."""

    person: Record
    """Whose box it is."""
    keypoints: Floats
    """(17, 3) x, y in pixels of the picture, and confidence."""
    area_px2: float
    """Of the crop, in the picture."""


def people_in_true_boxes(form: CropForm, labels: Labels) -> dict[int, People]:
    """People by picture, each from its labelled box; crops of several pictures run together."""
    by_picture: dict[int, list[FoundInBox]] = defaultdict(list)
    for one in poses_in_true_boxes(form, labels):
        by_picture[one.person["image_id"]].append(one)
    return {
        image_id: scored_people(
            np.stack([one.keypoints for one in found]),
            np.ones(len(found), np.float32),
            np.array([one.area_px2 for one in found]),
            COCO_17,
        )
        for image_id, found in by_picture.items()
    }


def poses_in_true_boxes(form: CropForm, labels: Labels) -> Iterator[FoundInBox]:
    """The pose of everybody who counts, doubles too."""
    for people, affines, crops in _batches(form, labels):
        keypoints = _run(form.graph, crops)
        for person, affine, pose in zip(people, affines, keypoints, strict=True):
            pose[:, :2] = affine.to_source(pose[:, :2])
            yield FoundInBox(person, pose, affine.width_px**2 * form.size[1] / form.size[0])


def _batches(
    form: CropForm, labels: Labels
) -> Iterator[tuple[list[Record], list[CropAffine], np.ndarray]]:
    """People, affines, and crops (N, h, w, 3) uint8."""
    files = {picture["id"]: picture["file_name"] for picture in labels.pictures}
    people = [person for person in labels.counted() if min(person["bbox"][2:]) > 0]
    people.sort(key=lambda person: int(person["image_id"]))
    for start in range(0, len(people), BATCH):
        some = people[start : start + BATCH]
        affines = [crop_affine(person["bbox"], *form.size, form.padding) for person in some]
        paths = [labels.source.images / files[person["image_id"]] for person in some]
        crops = [
            cv2.warpAffine(read_rgb(path), affine.matrix(), form.size, flags=cv2.INTER_LINEAR)
            for path, affine in zip(paths, affines, strict=True)
        ]
        yield some, affines, np.stack(crops)


def _run(graph: nn.Module, crops: np.ndarray) -> Floats:
    graph.eval()
    device = next(graph.parameters()).device
    with torch.no_grad():
        keypoints = graph(torch.from_numpy(crops).to(device))
    return np.asarray(keypoints.float().cpu().numpy(), np.float32)
