"""AP by how crowded the pictures are, as CrowdPose reports it (Li et al., CVPR 2019)."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

import numpy as np

from builders.evaluation.coco_eval import average_precision
from builders.evaluation.labels import MASK_SHARE_OF_BOX, Labels, Record
from builders.evaluation.people import People

MEDIUM_FROM, HARD_FROM = 0.1, 0.8
"""Of the crowd index, as in the paper (section 4); the authors' own script says 0.2 and 0.8."""


class CrowdLevel(StrEnum):
    """How crowded a picture is."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


def crowd_statistics(labels: Labels, found: Mapping[int, People]) -> dict[str, float]:
    """`AP`, then `AP_easy`, `AP_medium`, `AP_hard` and the number of pictures of each level.

    A person's scale is always 0.53 of the box, as in CrowdPose's evaluation (Jeff-sjtu/CrowdPose,
    `crowdposetools/cocoeval.py`), so that AP may differ from COCO's. AP of a level is -1 if nobody
    is labelled there.
    """
    by_box = replace(labels, people=tuple(_scaled_by_box(person) for person in labels.people))
    figures = {"AP": average_precision(by_box, found)}
    for level, pictures in crowd_levels(labels).items():
        figures[f"AP_{level}"] = average_precision(by_box, found, pictures) if pictures else -1.0
        figures[f"pictures_{level}"] = len(pictures)
    return figures


def crowd_levels(labels: Labels) -> dict[CrowdLevel, list[int]]:
    """Ids of the pictures of each level, by the label's `crowdIndex` or else `crowd_index`."""
    levels: dict[CrowdLevel, list[int]] = {level: [] for level in CrowdLevel}
    for picture in labels.pictures:
        people = [p for p in labels.counted() if p["image_id"] == picture["id"]]
        index = picture.get("crowdIndex")
        levels[_level(crowd_index(people) if index is None else float(index))].append(picture["id"])
    return levels


def crowd_index(people: list[Record]) -> float:
    """Mean over people of (joints of others in the box) / (joints of one's own); 0 for nobody.

    The paper's "Crowd Index", over labelled joints; a joint on the border of a box lies inside.
    """
    joints = [np.array(person["keypoints"]).reshape(-1, 3) for person in people]
    labelled = [points[points[:, 2] > 0, :2] for points in joints]
    ratios = [
        sum(_inside(points, person["bbox"]) for points in _others(labelled, own))
        / len(labelled[own])
        for own, person in enumerate(people)
    ]
    return float(np.mean(ratios)) if ratios else 0.0


def _others(points: list[np.ndarray], own: int) -> list[np.ndarray]:
    return points[:own] + points[own + 1 :]


def _inside(points_px: np.ndarray, box: list[float]) -> int:
    low = np.array(box[:2])
    return int(((points_px >= low) & (points_px <= low + box[2:])).all(-1).sum())


def _level(index: float) -> CrowdLevel:
    if index < MEDIUM_FROM:
        return CrowdLevel.EASY
    return CrowdLevel.MEDIUM if index < HARD_FROM else CrowdLevel.HARD


def _scaled_by_box(person: Record) -> Record:
    return person | {"area": MASK_SHARE_OF_BOX * person["bbox"][2] * person["bbox"][3]}
