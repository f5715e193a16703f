from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.training.augment import View, WholePicture, whole_picture_matrix
from builders.training.dataset import Views
from builders.training.hgg_task import HggExamples
from builders.training.labels import Person
from builders.training.recipe import make_task, parse_recipe
from builders.training.settings import Folders
from tests.builders.training.coco_files import write_coco


@pytest.mark.slow
@pytest.mark.parametrize(("form", "parts"), [("hgg", 2), ("higher_hgg", 3), ("dekr", 2)])
def test_gradient_flows_into_every_parameter(form: str, parts: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 256, (96, 96, 3)))
    joints = np.column_stack([rng.uniform(20, 76, (17, 2)), np.full(17, 2)])
    write_coco(tmp_path, {"a.png": [joints]})
    own = {"name": "own", "kind": "coco", "annotations": "train.json", "pictures": ".", "share": 1}
    task_section: dict[str, Any] = {"form": form, "sets": [own]}
    task_section["augment"] = {"canvas": 96, "camera": 0, "paste": 0, "whole_picture": {}}
    given = {"name": "x", "network": "hgg", "steps": 1, "batch": 2, "rate": 1e-3}
    task = make_task(parse_recipe(given | {"task": task_section}, "x"), Folders(tmp_path, tmp_path))
    examples = task.examples()
    batch = task.collate([examples.draw(np.random.default_rng((0, n))) for n in range(2)])
    torch.manual_seed(0)
    network = task.build().train()
    total, found = task.loss(network, batch, torch.Generator())
    total.backward()  # type: ignore[no-untyped-call]
    assert len(found) == parts
    named = list(network.named_parameters())
    dry = [name for name, p in named if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dry


def person(**changed: Any) -> Person:
    joints = np.column_stack([np.linspace(20, 60, 17), np.linspace(10, 80, 17), np.ones(17)])
    box = np.array([20, 10, 40, 70], np.float32)
    return replace(Person(joints.astype(np.float32), box, absent_is_background=True), **changed)


def view(*people: Person) -> View:
    return View(np.zeros((192, 192, 3), np.uint8), people, np.ones((192, 192), np.float32))


def targets(form: str, *people: Person) -> dict[str, np.ndarray]:
    views = Views.__new__(Views)  # nothing is drawn
    return HggExamples(views, form).targets(view(*people))


def test_maps_have_the_released_sizes_and_masks() -> None:
    found = targets("higher_hgg", person())
    shapes = {name: array.shape for name, array in found.items()}
    assert shapes == {
        "canvas": (192, 192, 3),
        "heat": (18, 48, 48),
        "heat_weight": (1, 48, 48),
        "offset": (34, 48, 48),
        "offset_weight": (34, 48, 48),
        "fine_heat": (17, 96, 96),
        "fine_weight": (1, 96, 96),
    }
    assert found["heat"][0].argmax() == 48 * round(10 / 4) + 20 // 4
    assert found["fine_heat"][0].argmax() == 96 * 5 + 10
    assert found["heat_weight"].min() == pytest.approx(0.1)
    assert found["fine_weight"].min() == pytest.approx(0.025)
    assert found["offset_weight"].max() == pytest.approx(1 / np.sqrt(40 * 70))


def test_dekr_has_a_mask_for_each_map_and_its_own_scale() -> None:
    found = targets("dekr", person())
    assert found["heat_weight"].shape == (18, 48, 48)
    assert found["offset_weight"].max() == pytest.approx(1 / np.hypot(60, 80))


def test_nothing_is_learnt_inside_crowds() -> None:
    found = targets("hgg", person(ignored=True))
    assert (found["heat_weight"][0, 3:20, 5:15] == 0).all()
    assert found["heat_weight"][0, 40, 40] == pytest.approx(0.1)
    assert (found["heat"] == 0).all()


def test_views_of_whole_pictures_have_the_released_ranges() -> None:
    middle, zoom, mirrored = [], [], 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        matrix = whole_picture_matrix((300, 400), WholePicture(), 512, rng)
        determinant = np.linalg.det(matrix[:, :2])
        mirrored += determinant < 0
        zoom.append(512 / (300 * np.sqrt(abs(determinant))))
        inverse = np.linalg.inv(matrix[:, :2])
        middle.append(inverse @ (np.array([256, 256]) - matrix[:, 2]) - (200, 150))
    assert 0.75 <= min(zoom) < 0.8
    assert 1.45 < max(zoom) <= 1.5
    assert 0.4 < mirrored / 400 < 0.6
    assert 60 < np.abs(middle).max() <= 0.2 * 300 * 1.5 + 1


def test_a_mirrored_view_is_the_mirror_image() -> None:
    still = WholePicture(scale=(1.0, 1.0), rotation_degrees=0, shift=0)
    seen = set()
    for seed in range(10):
        matrix = whole_picture_matrix((512, 512), still, 512, np.random.default_rng(seed))
        seen.add(tuple(np.round(matrix @ np.array([10, 20, 1]), 6).tolist()))
    assert seen == {(10.0, 20.0), (501.0, 20.0)}
