"""Poses of a model in training pictures and in views of them, with their true OKS."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from builders.evaluation.people import People, Rgb
from builders.found_poses import VIEWS, found_poses, scoring_settings
from builders.training.dataset import TrainingSet
from builders.training.labels import LabelledPicture, Person
from stream.errors import ConfigError

SIDE = 160


def joints() -> np.ndarray:
    points = np.random.default_rng(1).uniform(40, 120, (17, 2))
    return np.column_stack([points, np.ones(17)]).astype(np.float32)


def picture(folder: Path, *, stretched: bool = False, people: int = 1) -> LabelledPicture:
    path = folder / f"{stretched}{people}.png"
    cv2.imwrite(str(path), np.full((SIDE, SIDE, 3), 90, np.uint8))
    box = np.array([40, 40, 80, 80], np.float32)
    person = Person(joints(), box, absent_is_background=True)
    return LabelledPicture(path, (person,) * people, 1.0, stretched)


def finds_where_it_was(rgb: Rgb) -> People:
    """The true pose of the picture itself, and somebody far off: the same in any view."""
    ghost = joints() * np.array([0.1, 0.1, 1], np.float32)
    return np.stack([joints(), ghost]), np.array([0.9, 0.1], np.float32)


def test_the_picture_itself_comes_first_and_views_follow(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def predict(rgb: Rgb) -> People:
        seen.append(rgb.shape)
        return finds_where_it_was(rgb)

    sets = [
        TrainingSet("plain", 1, (picture(tmp_path), picture(tmp_path, people=0))),
        TrainingSet("squeezed", 1, (picture(tmp_path, stretched=True),)),
    ]
    rows = list(found_poses(predict, sets, [2, 1]))
    view = (VIEWS.canvas, VIEWS.canvas, 3)
    assert seen == [(SIDE, SIDE, 3), view, (SIDE, SIDE, 3), view, view]
    assert [row["oks"] for row in rows[:2]] == [1, 0]
    assert [row["person"] for row in rows[:1]] == [0]
    empty = [row for row in rows if row["image_id"] == 1]
    assert [row["oks"] for row in empty] == [0, 0, 0, 0]
    assert {(row["image_id"], row["view"]) for row in rows} == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
    }
    assert len(rows[0]["keypoints"]) == 51
    assert json.loads(json.dumps(rows)) == rows


def test_views_are_the_same_every_time(tmp_path: Path) -> None:
    shown: list[bytes] = []

    def predict(rgb: Rgb) -> People:
        shown.append(rgb.tobytes())
        return finds_where_it_was(rgb)

    for _ in range(2):
        list(found_poses(predict, [TrainingSet("a", 1, (picture(tmp_path),))], [3]))
    assert shown[:3] == shown[3:]
    assert len(set(shown)) == 3


def test_another_networks_recipe_is_refused(tmp_path: Path) -> None:
    task = {"train": {"poses": "a.json", "annotations": "train.json"}}
    content = {"name": "x", "network": "scoring_net", "steps": 1, "batch": 1, "rate": 1e-3}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content | {"task": task}))
    with pytest.raises(ConfigError, match="expected a scoring net's, with sets of pictures"):
        scoring_settings(path)
