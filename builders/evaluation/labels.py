"""Reads COCO labels to evaluate with: checked record by record, faults named with their file."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.errors import ConfigError, SourceError
from stream.skeleton import COCO_17, CROWDPOSE_14, Skeleton

Record = dict[str, Any]

PERSON = "person"
MASK_SHARE_OF_BOX = 0.53
"""Mean ratio of person mask to box in COCO: stands in for a missing `area`."""
NAMED_AT_MOST = 3
"""So many missing pictures are named in a message; the rest is counted."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures with COCO keypoint labels."""

    annotations: Path
    """COCO JSON; `file_name` is relative to `images`."""
    images: Path


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What a COCO file says of people; every record was checked."""

    source: LabelledSet
    pictures: tuple[Record, ...]
    """`id`, `file_name`, and whatever else the file says."""
    people: tuple[Record, ...]
    """`id` from 1 on, `image_id`, `category_id` 1, `bbox`, `area`, `iscrowd`, `num_keypoints`,
    `keypoints` (all 0 where the file has boxes only)."""
    skeleton: Skeleton

    def coco_content(self) -> dict[str, list[Record]]:
        """A new COCO dataset that others may write into (pycocotools does)."""
        return {
            "images": [dict(picture) for picture in self.pictures],
            "annotations": [dict(person) for person in self.people],
            "categories": [{"id": 1, "name": PERSON}],
        }

    def counted(self) -> tuple[Record, ...]:
        """People with a labelled joint who are no crowd: those that COCO looks for."""
        return tuple(p for p in self.people if p["num_keypoints"] and not p["iscrowd"])


def labelled_set(shared_data: Path, name: str, split: str) -> LabelledSet:
    """One of the sets of the shared data, laid out `labelled/NAME/{annotations,images}`."""
    folder = shared_data / "labelled" / name
    return LabelledSet(folder / "annotations" / f"{split}.json", folder / "images")


def read_labels(source: LabelledSet) -> Labels:
    """The people of a COCO file; records of other categories are left out.

    Raises:
        ConfigError: naming the file, and the record that is wrong.
    """
    content = read_json(source.annotations)
    pictures, annotations, categories = (
        _records(source.annotations, content, name)
        for name in ("images", "annotations", "categories")
    )
    category = _person_category(source.annotations, categories)
    records = [r for r in annotations if r.get("category_id", category["id"]) == category["id"]]
    skeleton = _skeleton(source.annotations, category, records)
    ids = _picture_ids(source.annotations, pictures)
    people = tuple(
        _person(source.annotations, number, record, ids, skeleton)
        for number, record in enumerate(records, start=1)
    )
    if not people:
        raise ConfigError(f"labels {source.annotations}: no person is labelled")
    return Labels(source, tuple(pictures), people, skeleton)


def require_joints(labels: Labels) -> None:
    """Checks that keypoints can be evaluated.

    Raises:
        ConfigError: if nobody has a labelled joint.
    """
    if not labels.counted():
        raise ConfigError(
            f"labels {labels.source.annotations}: {len(labels.people)} people, none with a "
            "labelled joint; poses need `keypoints` (boxes alone serve to evaluate a detector)"
        )


def require_pictures(labels: Labels) -> None:
    """Checks that every picture is there, before the first is shown.

    Raises:
        SourceError: naming those that are missing.
    """
    folder = labels.source.images
    names = [str(picture["file_name"]) for picture in labels.pictures]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - NAMED_AT_MOST} more" if len(missing) > NAMED_AT_MOST else ""
        raise SourceError(
            f"images {folder}: {len(missing)} of {len(names)} pictures missing: "
            f"{', '.join(missing[:NAMED_AT_MOST])}{more}; `file_name` is relative to this folder"
        )


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"labels {path}: cannot be read: {reason}") from error


def _records(file: Path, content: object, name: str) -> list[Record]:
    records = content.get(name) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ConfigError(f"labels {file}: expected a COCO file, it has no list `{name}`")
    return records


def _person_category(file: Path, categories: Sequence[Record]) -> Record:
    for category in categories:
        if category.get("name") == PERSON and isinstance(category.get("id"), int):
            return category
    names = ", ".join(str(category.get("name")) for category in categories) or "none"
    raise ConfigError(f"labels {file}: expected a category `{PERSON}`, got {names}")


def _skeleton(file: Path, category: Record, records: Sequence[Record]) -> Skeleton:
    """By the number of joints; a file without joints (boxes only) counts as COCO's."""
    names: list[str] = category.get("keypoints") or []
    first: list[float] = next((r["keypoints"] for r in records if r.get("keypoints")), [])
    count = len(names) or len(first) // 3 or len(COCO_17.joints)
    for skeleton in (COCO_17, CROWDPOSE_14):
        if len(skeleton.joints) == count:
            _check_order(file, names, skeleton)
            return skeleton
    raise ConfigError(
        f"labels {file}: category `{PERSON}` has {count} joints; "
        "expected 17 (COCO) or 14 (CrowdPose)"
    )


def _check_order(file: Path, names: Sequence[str], skeleton: Skeleton) -> None:
    for index, (name, wanted) in enumerate(zip(names, skeleton.joints, strict=False)):
        if name in skeleton.joints and name != wanted:
            raise ConfigError(
                f"labels {file}: joint {index} of category `{PERSON}` is {name}; "
                f"expected {wanted}, the order of {skeleton.name}"
            )


def _picture_ids(file: Path, pictures: Sequence[Record]) -> frozenset[int]:
    seen: set[int] = set()
    for index, picture in enumerate(pictures):
        number = picture.get("id")
        name = picture.get("file_name")
        if not isinstance(number, int) or not isinstance(name, str) or not name:
            raise ConfigError(
                f"labels {file}: images[{index}]: expected an integer `id` and a `file_name`, "
                f"got {number!r} and {name!r}"
            )
        if number in seen:
            raise ConfigError(f"labels {file}: images[{index}]: id {number} came before")
        seen.add(number)
    if not seen:
        raise ConfigError(f"labels {file}: `images` is empty")
    return frozenset(seen)


def _person(
    file: Path, number: int, record: Record, pictures: frozenset[int], skeleton: Skeleton
) -> Record:
    """The record as evaluation needs it; its `id` is new, for pycocotools takes 0 for nobody."""
    title = f"labels {file}: annotation {record.get('id', f'number {number}')}"
    if record.get("image_id") not in pictures:
        raise ConfigError(f"{title}: no picture has its image_id {record.get('image_id')!r}")
    box = _numbers(title, record, "bbox", 4)
    if min(box[2:]) < 0:
        raise ConfigError(f"{title}: bbox has a negative side: {box}")
    count = 3 * len(skeleton.joints)
    keypoints = _numbers(title, record, "keypoints", count) if "keypoints" in record else []
    keypoints = keypoints or [0.0] * count
    box_area = MASK_SHARE_OF_BOX * box[2] * box[3]
    # CrowdPose's own evaluation never looks at masks.
    area = box_area if skeleton is CROWDPOSE_14 else record.get("area", box_area)
    return {
        **_kept(record, ("head_box",)),
        "id": number,
        "label_id": record.get("id", number),
        "image_id": record["image_id"],
        "category_id": 1,
        "bbox": box,
        "area": _number(title, "area", area),
        "iscrowd": int(bool(record.get("iscrowd"))),
        "keypoints": keypoints,
        "num_keypoints": sum(value > 0 for value in keypoints[2::3]),
    }


def _kept(record: Mapping[str, Any], names: Iterable[str]) -> Record:
    return {name: record[name] for name in names if name in record}


def _numbers(title: str, record: Record, name: str, count: int) -> list[float]:
    values = record.get(name)
    if not isinstance(values, list) or len(values) != count:
        got = f"{len(values)}" if isinstance(values, list) else repr(values)
        raise ConfigError(f"{title}: `{name}` needs {count} numbers, got {got}")
    return [_number(title, name, value) for value in values]


def _number(title: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{title}: `{name}` holds {value!r}, expected a finite number")
    return float(value)
