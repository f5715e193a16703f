"""Small COCO files for tests of training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from builders.training.settings import SetRecipe


def write_coco(folder: Path, people: Mapping[str, Sequence[np.ndarray]]) -> SetRecipe:
    """`folder/train.json` with joints (17, 3) of the people of each picture of the folder."""
    names = list(people)
    annotations = [
        _annotation(names.index(name) + 1, joints) for name in names for joints in people[name]
    ]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names, start=1)]
    content = {"images": images, "annotations": annotations}
    (folder / "train.json").write_text(json.dumps(content))
    return SetRecipe(
        name="own", kind="coco", annotations=Path("train.json"), pictures=Path(), share=1
    )


def _annotation(image_id: int, joints: np.ndarray) -> dict[str, object]:
    known = joints[joints[:, 2] > 0, :2]
    low, high = known.min(0), known.max(0)
    return {
        "id": image_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "keypoints": joints.ravel().tolist(),
    }
