"""Small labelled sets for tests: skeletons on grey pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from builders.evaluation.labels import LabelledSet, Labels, read_labels
from builders.evaluation.people import Floats, People
from stream.skeleton import COCO_17, Skeleton

WIDTH, HEIGHT = 600, 400


def person_at(x: float, y: float, side: float = 120.0, skeleton: Skeleton = COCO_17) -> Floats:
    """(J, 3) a skeleton whose joints fill a square box, all visible, no two near each other."""
    count = len(skeleton.joints)
    columns = int(np.ceil(np.sqrt(count)))
    cells = np.array([(j % columns, j // columns) for j in range(count)])
    spread = cells / cells.max(0) * side
    return np.column_stack([spread + np.array([x, y]), np.full(count, 2)]).astype(np.float32)


def annotation(
    number: int, image: int, keypoints: Floats, labelled: int | None = None, **more: Any
) -> dict[str, Any]:
    """A COCO record; only the first `labelled` joints keep their place."""
    left, top = keypoints[:, :2].min(0).tolist()
    width, height = np.ptp(keypoints[:, :2], axis=0).tolist()
    kept = keypoints.copy()
    kept[len(kept) if labelled is None else labelled :] = 0
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": int((kept[:, 2] > 0).sum()),
        "keypoints": kept.ravel().tolist(),
        "bbox": [left, top, width, height],
        "area": 0.53 * width * height,
        **more,
    }


def coco(
    annotations: Sequence[dict[str, Any]], pictures: int = 3, skeleton: Skeleton = COCO_17
) -> dict[str, Any]:
    """The content of a COCO file with pictures 1.png, 2.png and so on."""
    numbers = range(1, pictures + 1)
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in numbers
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joints)}],
        "annotations": list(annotations),
    }


def write_set(folder: Path, content: dict[str, Any]) -> LabelledSet:
    """The set on disk; picture n is filled with the grey level n."""
    for picture in content["images"]:
        pixels = np.full((HEIGHT, WIDTH, 3), picture["id"], np.uint8)
        cv2.imwrite(str(folder / picture["file_name"]), pixels)
    annotations = folder / "labels.json"
    annotations.write_text(json.dumps(content), encoding="utf-8")
    return LabelledSet(annotations, folder)


def labels_of(
    folder: Path,
    annotations: Sequence[dict[str, Any]],
    pictures: int = 3,
    skeleton: Skeleton = COCO_17,
) -> Labels:
    """The labels of such a set, without pictures on disk."""
    path = folder / "labels.json"
    path.write_text(json.dumps(coco(annotations, pictures, skeleton)), encoding="utf-8")
    return read_labels(LabelledSet(path, folder))


def people(*found: tuple[Floats, float]) -> People:
    """Found people as (keypoints, score)."""
    keypoints = np.stack([keypoints for keypoints, _ in found]).astype(np.float32)
    return keypoints, np.array([score for _, score in found], np.float32)
