"""Poses that a network found, in COCO's results format, with their true OKS."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.labels import LabelledSet, Labels, Record, read_json, read_labels
from builders.evaluation.people import Floats, People
from stream.errors import ConfigError
from stream.skeleton import COCO_17

JOINTS = 17


@dataclass(frozen=True, slots=True, eq=False)
class PosesWithOks:
    """N poses, and how good they are."""

    poses: Floats
    """(N, 17, 3) picture pixels and each joint's value."""
    oks: Floats
    """(N,) with the person they are most like; 0 where nobody is."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPoses:
    """N poses of all pictures of a set."""

    labels: Labels
    image_ids: tuple[int, ...]
    poses: Floats
    """(N, 17, 3) picture pixels and each joint's value."""
    scores: Floats
    """(N,) as found."""
    oks: Floats
    """(N,) with the labelled person they are most like; 0 where nobody counts."""

    def with_oks(self) -> PosesWithOks:
        """Without pictures and scores."""
        return PosesWithOks(self.poses, self.oks)

    def people(self, scores: Floats) -> dict[int, People]:
        """By picture, with other scores."""
        rows: dict[int, list[int]] = defaultdict(list)
        for row, image_id in enumerate(self.image_ids):
            rows[image_id].append(row)
        return {image_id: (self.poses[some], scores[some]) for image_id, some in rows.items()}


def read_scored_poses(results: Path, annotations: Path) -> ScoredPoses:
    """Reads results and labels, and compares them.

    Args:
        results: COCO's keypoint results: `image_id`, `keypoints` (51 numbers), `score`.
        annotations: COCO labels of the same pictures.

    Raises:
        ConfigError: naming file and record that is wrong.
    """
    labels = read_labels(LabelledSet(annotations, annotations.parent))
    records = _records(results)
    poses = np.stack([_pose(record, number, results) for number, record in enumerate(records)])
    scores = np.array([float(record["score"]) for record in records], np.float32)
    image_ids = tuple(int(record["image_id"]) for record in records)
    return ScoredPoses(labels, image_ids, poses, scores, best_oks(labels, image_ids, poses))


def read_poses_with_oks(files: Sequence[Path]) -> PosesWithOks:
    """Reads results that tell their OKS (`builders.found_poses`), one file behind the other.

    Raises:
        ConfigError: naming file and record that is wrong.
    """
    poses, oks = [], []
    for file in files:
        for number, record in enumerate(_records(file)):
            poses.append(_pose(record, number, file))
            oks.append(_oks(record, number, file))
    return PosesWithOks(np.stack(poses), np.array(oks, np.float32))


def results_of(found: Mapping[int, People]) -> list[Record]:
    """COCO's results of people by picture."""
    return [
        {
            "image_id": image_id,
            "category_id": 1,
            "keypoints": keypoints.astype(float).ravel().tolist(),
            "score": float(score),
        }
        for image_id, (people, scores) in found.items()
        for keypoints, score in zip(people, scores, strict=True)
    ]


def best_oks(labels: Labels, image_ids: Sequence[int], poses: Floats) -> Floats:
    """(N,): each pose's OKS with the person of its picture it is most like."""
    people: dict[int, list[Record]] = defaultdict(list)
    for person in labels.counted():
        people[person["image_id"]].append(person)
    best = [
        max((oks(pose, person) for person in people[image_id]), default=0.0)
        for image_id, pose in zip(image_ids, poses, strict=True)
    ]
    return np.array(best, np.float32)


def oks(pose: Floats, person: Record) -> float:
    """COCO's object keypoint similarity over the person's labelled joints."""
    truth: NDArray[np.float64] = np.asarray(person["keypoints"], np.float64).reshape(JOINTS, 3)
    labelled = truth[:, 2] > 0
    squared = ((pose[:, :2] - truth[:, :2]) ** 2).sum(-1)
    spread = 2 * person["area"] * (2 * COCO_17.sigmas.astype(np.float64)) ** 2
    return float(np.exp(-squared / (spread + np.spacing(1)))[labelled].mean())


def _records(results: Path) -> list[Any]:
    records = read_json(results)
    if not isinstance(records, list) or not records:
        raise ConfigError(f"poses {results}: expected a list of COCO results, got none")
    return records


def _oks(record: Any, number: int, results: Path) -> float:
    value = record.get("oks")
    if not isinstance(value, int | float):
        raise ConfigError(
            f"poses {results}: record {number}: no `oks`; make the file with builders.found_poses"
        )
    return float(value)


def _pose(record: Any, number: int, results: Path) -> Floats:
    try:
        float(record["score"]), int(record["image_id"])
        pose: Floats = np.asarray(record["keypoints"], np.float32).reshape(JOINTS, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"poses {results}: record {number}: {error!r}; expected image_id, 51 keypoints, score"
        ) from error
    return pose
