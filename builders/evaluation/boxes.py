"""Where the boxes of a top-down model come from: the labels, a file, or a detector."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from builders.evaluation.labels import Labels, Record, read_json
from builders.evaluation.people import Boxes, Rgb
from stream.errors import ConfigError

BoxesOf = Callable[[int, Rgb], Boxes]
"""The id of a picture of the set and its (H, W, 3) RGB pixels in, boxes out."""

TRUTH = "truth"
"""What a user writes for the labelled boxes."""


def no_boxes() -> Boxes:
    """Of a picture without people."""
    return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


def boxes_of_truth(labels: Labels) -> BoxesOf:
    """The boxes of labelled people with joints, each with score 1, as the papers test."""
    rows: dict[int, list[list[float]]] = {}
    for person in labels.counted():
        if min(person["bbox"][2:]) > 0:
            rows.setdefault(person["image_id"], []).append(person["bbox"])
    by_picture = {
        image: (np.array(boxes, np.float32), np.ones(len(boxes), np.float32))
        for image, boxes in rows.items()
    }
    return lambda image_id, _: by_picture.get(image_id) or no_boxes()


def boxes_of_file(path: Path, labels: Labels) -> BoxesOf:
    """Boxes of COCO's result format: a list of `image_id`, `bbox`, `score`, `category_id`.

    Records of other categories than 1 (COCO's person) are left out.

    Raises:
        ConfigError: naming the file, and the record that is wrong.
    """
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise ConfigError(f"boxes {path}: expected a list of COCO results")
    known = {picture["id"] for picture in labels.pictures}
    rows: dict[int, list[list[float]]] = {}
    for index, record in enumerate(content):
        if record.get("category_id", 1) == 1:
            row = _row(f"boxes {path}: result {index}", record, known)
            rows.setdefault(record["image_id"], []).append(row)
    by_picture = {image: _sorted(np.array(found, np.float32)) for image, found in rows.items()}
    return lambda image_id, _: by_picture.get(image_id) or no_boxes()


def _row(title: str, record: Record, known: set[int]) -> list[float]:
    if record.get("image_id") not in known:
        raise ConfigError(f"{title}: no picture has its image_id {record.get('image_id')!r}")
    box, score = record.get("bbox"), record.get("score")
    values: list[Any] = [*box, score] if isinstance(box, list) else [score]
    numbers = all(isinstance(value, int | float) and np.isfinite(value) for value in values)
    if len(values) != 5 or not numbers or min(values[2:4]) <= 0:
        raise ConfigError(
            f"{title}: expected `bbox` [x, y, w, h] with sides above 0 and a `score`, "
            f"got {box!r} and {score!r}"
        )
    return [float(value) for value in values]


def _sorted(rows: np.ndarray) -> Boxes:
    """(N, 5) x, y, w, h, score to boxes, best first."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    return rows[:, :4], rows[:, 4]
