"""What is done to a picture is done to its labels."""

import numpy as np
import pytest

from builders.evaluation.labels import Record
from builders.evaluation.robustness import FAULTS, Scene, worse


def person(x: float, y: float) -> Record:
    """Three joints around a place, one of them exactly there; a box around it."""
    joints = np.zeros((17, 3))
    joints[:3] = [[x, y, 2], [x + 6, y, 2], [x, y + 40, 2]]
    return {"bbox": [x - 20, y - 20, 60, 100], "area": 3000.0, "keypoints": joints.ravel().tolist()}


def dot_at(x: int, y: int) -> Scene:
    """A white dot of 7 pixels where the first joint is."""
    rgb = np.zeros((121, 161, 3), np.uint8)
    rgb[y - 3 : y + 4, x - 3 : x + 4] = 255
    return Scene(rgb, (person(x, y),))


def centre_of_white(rgb: np.ndarray) -> np.ndarray:
    white = rgb[..., 0] > 200
    rows, columns = np.nonzero(white)
    return np.array([columns.mean(), rows.mean()])


def first_joint(scene: Scene) -> np.ndarray:
    return np.array(scene.people[0]["keypoints"][:2])


@pytest.mark.parametrize(("name", "level"), [("size", 0.5), ("rotation", 30), ("rotation", 90)])
def test_joints_move_with_the_picture(name: str, level: float) -> None:
    changed = worse(dot_at(60, 40), FAULTS[name], level, seed=1)
    np.testing.assert_allclose(centre_of_white(changed.rgb), first_joint(changed), atol=0.8)
    expected = 3000.0 * (level**2 if name == "size" else 1)
    assert changed.people[0]["area"] == pytest.approx(expected)


def test_joints_behind_the_board_do_not_count() -> None:
    scene = dot_at(60, 40)
    changed = worse(scene, FAULTS["occlusion"], 0.5, seed=1)
    assert changed.people[0]["num_keypoints"] == 0  # two joints are left: too few
    joints = np.array(scene.people[0]["keypoints"]).reshape(17, 3)
    joints[3] = [62, 42, 2]
    richer = Scene(scene.rgb, (scene.people[0] | {"keypoints": joints.ravel().tolist()},))
    assert worse(richer, FAULTS["occlusion"], 0.5, seed=1).people[0]["num_keypoints"] == 3


@pytest.mark.parametrize("name", list(FAULTS))
def test_the_first_level_is_the_picture_and_others_are_reproducible(name: str) -> None:
    scene, fault = dot_at(60, 40), FAULTS[name]
    assert worse(scene, fault, fault.levels[0], seed=1) is scene
    one, other = (worse(scene, fault, fault.levels[-1], seed=3) for _ in range(2))
    assert np.array_equal(one.rgb, other.rgb)
    assert one.rgb.dtype == np.uint8
    assert not np.array_equal(one.rgb, scene.rgb)
