"""Reads labelled pictures: COCO-keypoints JSON with teacher joints, and predictions on clips."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import ConfigError

JOINTS = 17
OUTLINE_SHARE = 0.53
"""Area of a person's segment over that of the box, on average."""
HELD_OUT = re.compile(r"(^|[^a-z])(val|valid|validation|test)([^a-z]|$)")
"""Words in a path that tell a split that is not for training: val.json, val2017, mixed_val."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person of a training picture, in pixels of that picture."""

    keypoints: NDArray[np.float32]
    """(17, 3): x, y, weight; weight 0 means the joint's place is not known."""
    box: NDArray[np.float32]
    """(4,) x, y, w, h."""
    absent_is_background: bool
    """True if a joint of weight 0 is truly not visible (COCO); False if it is only unknown."""
    ignored: bool = False
    """A crowd, or a person nobody labelled: inside its box nothing is learnt of poses."""
    box_is_sure: bool = True
    """False for crowds, doubtful predictions and people hidden by others: no detector learns."""
    outline_px2: float | None = None
    """Area of the segment, if known."""

    @property
    def area_px2(self) -> float:
        """The scale squared of OKS: the segment's area, else its usual share of the box."""
        if self.outline_px2 is not None:
            return self.outline_px2
        return OUTLINE_SHARE * float(self.box[2] * self.box[3])


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """One picture and all that is known of its people."""

    path: Path
    people: tuple[Person, ...]
    background: float
    """How surely a place without a label is background: 1 if everybody is labelled, 0 if
    unknown.
    """
    stretched: bool = False
    """The picture was squeezed to a square: vary its aspect in training."""
    frame: int | None = None
    """Decoded frame index when `path` is a clip."""


@dataclass(frozen=True, slots=True)
class TeacherLimits:
    """Which predicted joints are good enough to learn from."""

    min_score: float = 0.3
    max_flip_distance: float = 0.1
    """Median distance of the two mirrored predictions over the box side."""


def load_coco(
    annotations: Path,
    images: Path,
    *,
    background: float,
    limits: TeacherLimits,
    tiers: frozenset[str] = frozenset(),
    taught: Mapping[int, NDArray[np.float32]] | None = None,
) -> list[LabelledPicture]:
    """All pictures of a COCO-like file, those with a `licence_tier` only if it is among `tiers`.

    Joints of `taught`, (17, 3) by annotation, stand in for the file's teacher joints.

    Raises:
        ConfigError: naming the file, and the record if one is wrong; also if it is a `val` split.
    """
    content = _read(annotations)
    _refuse_held_out(annotations, content)
    people: dict[int, list[Person]] = defaultdict(list)
    for record in _taught(content["annotations"], taught):
        people[record["image_id"]].append(_person(record, annotations, limits))
    return [
        LabelledPicture(
            images / record["file_name"],
            tuple(people[record["id"]]),
            background,
            bool(record.get("stretched_to_square", False)),
        )
        for record in content["images"]
        if not tiers or record.get("licence_tier") in tiers
    ]


def load_clip(annotations: Path, clips: Path, limits: TeacherLimits) -> list[LabelledPicture]:
    """The predicted frames of one clip (`video_pseudo`).

    Raises:
        ConfigError: if the file cannot be read.
    """
    content = _read(annotations)
    return [
        LabelledPicture(
            clips / content["video"],
            tuple(_predicted(person, limits) for person in record["persons"]),
            background=0.5,
            frame=int(record["frame"]),
        )
        for record in content["frames"]
    ]


def is_held_out(path: Path) -> bool:
    """Whether a path of labels names a split that is kept for measuring.

    Folders count below the data folder only: who works in `test/` may train.
    """
    folders = () if path.is_absolute() else path.parts[:-1]
    return any(HELD_OUT.search(part.lower()) for part in (*folders, path.stem))


def _refuse_held_out(annotations: Path, content: dict[str, Any]) -> None:
    if is_held_out(Path(annotations.name)):
        raise ConfigError(f"{annotations}: a val split must not be trained on")
    for record in content["images"]:
        if is_held_out(Path(record["file_name"]).parent / "_"):
            raise ConfigError(
                f"labels {annotations}: image {record.get('id')}: {record['file_name']} is of a "
                "val split, which must not be trained on"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(f"labels {path}: cannot be read: {error}") from error
    return content


def _person(record: dict[str, Any], file: Path, limits: TeacherLimits) -> Person:
    try:
        box = np.asarray(record["bbox"], np.float32).reshape(4)
        truth = np.asarray(record["keypoints"], np.float32).reshape(JOINTS, 3)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"labels {file}: annotation {record.get('id')}: {error}") from error
    if record.get("iscrowd"):
        return Person(
            np.zeros((JOINTS, 3), np.float32),
            box,
            absent_is_background=False,
            ignored=True,
            box_is_sure=False,
        )
    labelled = truth[:, 2] > 0
    keypoints = truth.copy()
    keypoints[:, 2] = labelled
    teacher = record.get("teacher_keypoints")
    doubtful = record.get("teacher_flip_distance") or 0.0
    if teacher and doubtful <= limits.max_flip_distance:
        keypoints = _filled(keypoints, np.asarray(teacher, np.float32).reshape(JOINTS, 3), limits)
    known = int((keypoints[:, 2] > 0).sum())
    return Person(
        keypoints,
        box,
        absent_is_background=not teacher and known > 0,
        ignored=known < 3,
        outline_px2=float(record["area"]) if "area" in record else None,
    )


def _taught(
    records: list[dict[str, Any]], taught: Mapping[int, NDArray[np.float32]] | None
) -> list[dict[str, Any]]:
    """With another teacher's joints, whose scores say how far they are to be trusted."""
    if taught is None:
        return records
    nothing = np.zeros(0, np.float32)
    return [
        record
        | {
            "teacher_keypoints": taught.get(record["id"], nothing).tolist(),
            "teacher_flip_distance": 0.0,
        }
        for record in records
    ]


def _predicted(record: dict[str, Any], limits: TeacherLimits) -> Person:
    box = np.asarray(record["bbox"], np.float32).reshape(4)
    teacher = np.asarray(record["keypoints"], np.float32).reshape(JOINTS, 3)
    keypoints = _filled(np.zeros((JOINTS, 3), np.float32), teacher, limits)
    known = int((keypoints[:, 2] > 0).sum())
    return Person(
        keypoints,
        box,
        absent_is_background=False,
        ignored=known < 3 or record["score"] < 0.4,
        box_is_sure=record["score"] >= 0.4,
    )


def _filled(
    truth: NDArray[np.float32], teacher: NDArray[np.float32], limits: TeacherLimits
) -> NDArray[np.float32]:
    """True joints stay; others come from the teacher, weighted by its score."""
    use = (truth[:, 2] == 0) & (teacher[:, 2] >= limits.min_score)
    filled = truth.copy()
    filled[use] = teacher[use]
    filled[use, 2] = np.minimum(1.0, teacher[use, 2] + 0.3)
    return filled
