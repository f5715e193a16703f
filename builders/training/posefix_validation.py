"""What PoseFix makes of poses with synthetic errors, by kind of error."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from builders.evaluation.labels import Record, labelled_set, read_labels
from builders.evaluation.people import Floats, read_rgb
from builders.networks.posefix import PoseFixGraph
from builders.networks.posefix_synthesis import Error
from builders.training.crops import Crop, overlapping, plain_crop
from builders.training.labels import OUTLINE_SHARE, Person
from builders.training.posefix_examples import beside, with_errors
from stream.geometry import crop_affine
from stream.skeleton import COCO_17

SEED = 20_000
BATCH = 32
PCK_SHARE = 0.1
"""Of the root of the box's area."""


@dataclass(frozen=True, slots=True, eq=False)
class _Poses:
    """N poses in crop pixels."""

    truth: Floats
    """(N, 17, 3)."""
    given: Floats
    """(N, 17, 3) with errors."""
    refined: Floats
    """(N, 17, 3)."""
    kinds: np.ndarray
    """(N, 17) `Error`."""
    area_px2: np.ndarray
    """(N,) of the boxes."""


def validate_refiner(
    graph: PoseFixGraph, data: Path, name: str, size: tuple[int, int]
) -> dict[str, float]:
    """`NAME KIND before` and `... after`: mean keypoint similarity of truly labelled joints.

    Every person of the `val` split has the same errors each time; every second one has another
    pasted beside, else nobody's joints could be swapped. `PCK` counts all joints within a tenth
    of the root of the box's area.

    Args:
        graph: the refiner.
        data: folder of the labelled sets.
        name: of the set.
        size: (width, height) of the crops.
    """
    crops = _crops(data, name, size)
    errors = [with_errors(crop, _random(number)) for number, crop in enumerate(crops)]
    given = np.stack([pose for pose, _ in errors]).astype(np.float32)
    poses = _Poses(
        np.stack([crop.joints for crop in crops]),
        given,
        _refined(graph, crops, given),
        np.stack([kinds for _, kinds in errors]),
        np.array([crop.area_px2 for crop in crops]),
    )
    return {f"{name} {words}": value for words, value in _figures(poses).items()}


def _crops(data: Path, name: str, size: tuple[int, int]) -> list[Crop]:
    """One of every labelled person of the `val` split, every second lonely one with a neighbour."""
    labels = read_labels(labelled_set(data, name, "val"))
    files = {picture["id"]: picture["file_name"] for picture in labels.pictures}
    people: dict[int, list[Person]] = defaultdict(list)
    for record in labels.counted():
        if min(record["bbox"][2:]) > 0:
            people[record["image_id"]].append(_person(record))
    drawn = [
        plain_crop(
            read_rgb(labels.source.images / files[picture]),
            person,
            crop_affine(person.box.tolist(), *size),
            overlapping(person, several),
        )
        for picture, several in sorted(people.items(), key=lambda item: item[0])
        for person in several
    ]
    return [
        beside(crop, drawn[number - 1], _random(number, 1))
        if number % 2 and not len(crop.others)
        else crop
        for number, crop in enumerate(drawn)
    ]


def _person(record: Record) -> Person:
    keypoints = np.asarray(record["keypoints"], np.float32).reshape(17, 3)
    keypoints[:, 2] = keypoints[:, 2] > 0
    return Person(keypoints, np.asarray(record["bbox"], np.float32), absent_is_background=False)


def _random(*words: int) -> np.random.Generator:
    return np.random.default_rng((SEED, *words))


def _refined(graph: PoseFixGraph, crops: list[Crop], given: Floats) -> Floats:
    parts = []
    device = next(graph.parameters()).device
    for start in range(0, len(crops), BATCH):
        pixels = torch.from_numpy(np.stack([c.pixels for c in crops[start : start + BATCH]]))
        poses = torch.from_numpy(given[start : start + BATCH])
        with torch.no_grad():
            parts.append(graph(pixels.to(device), poses.to(device)).float().cpu().numpy())
    return np.concatenate(parts)


def _figures(poses: _Poses) -> dict[str, float]:
    labelled = (poses.truth[..., 2] > 0) & (poses.kinds != Error.NONE)
    found: dict[str, float] = {}
    for words, xy in (("before", poses.given), ("after", poses.refined)):
        away = np.hypot(*np.moveaxis(xy[..., :2] - poses.truth[..., :2], -1, 0))
        similar = _similarity(away, OUTLINE_SHARE * poses.area_px2)
        near = away <= PCK_SHARE * np.sqrt(poses.area_px2)[:, None]
        for kind in list(Error)[1:]:
            of_kind = similar[labelled & (poses.kinds == kind)]
            if len(of_kind):
                found[f"{kind.name.lower()} {words}"] = float(of_kind.mean())
        found[f"PCK@0.1 {words}"] = float(near[labelled].mean())
        found[f"OKS {words}"] = float(similar[labelled].mean())
    return found


def _similarity(away: np.ndarray, area_px2: np.ndarray) -> np.ndarray:
    spread = (2 * COCO_17.sigmas.astype(np.float64)) ** 2
    similar: np.ndarray = np.exp(-(away**2) / (2 * area_px2[:, None] * spread))
    return similar
