"""Which poses are judged, and how: people whom nobody labelled must not count as nobody."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from builders.training.augment import View
from builders.training.labels import Person
from builders.training.pose_truth import LEAST_JOINTS, true_oks

Floats = NDArray[np.float32]
SIDE = 200


def pose_at(left: float, top: float) -> Floats:
    """(17, 2) joints that fill a box of 30 x 80 pixels."""
    dice = np.random.default_rng(0)
    points = dice.uniform(0, 1, (17, 2)) * (30, 80) + (left, top)
    points[0], points[16] = (left, top), (left + 30, top + 80)
    return points.astype(np.float32)


def person_at(left: float, top: float, joints: int = 17) -> Person:
    known = np.column_stack([pose_at(left, top), np.arange(17) < joints]).astype(np.float32)
    box = np.array([left, top, 30, 80], np.float32)
    return Person(known, box, absent_is_background=False, ignored=joints < 3)


def judged(
    poses: list[Floats], people: list[Person], background: float = 1.0
) -> tuple[list[float], list[int]]:
    found = np.stack([np.column_stack([pose, np.ones(17)]) for pose in poses]).astype(np.float32)
    sure = np.full((SIDE, SIDE), background, np.float32)
    view = View(np.zeros((SIDE, SIDE, 3), np.uint8), tuple(people), sure)
    oks, who = true_oks(found, view)
    return oks.tolist(), who.tolist()


def test_a_pose_has_the_oks_of_whom_it_is_most_like() -> None:
    people = [person_at(10, 20), person_at(90, 60)]
    oks, who = judged([pose_at(91, 61), pose_at(10, 20), pose_at(14, 26)], people)
    assert oks[1] == pytest.approx(1)
    assert 0.3 < oks[2] < oks[0] < 1
    assert who == [1, 0, 0]


def test_a_pose_of_nobody_counts_only_where_everybody_is_labelled() -> None:
    ghost = [pose_at(150, 100)]
    assert judged(ghost, [person_at(10, 20)])[0] == pytest.approx([0], abs=1e-6)
    assert np.isnan(judged(ghost, [person_at(10, 20)], background=0.3)[0]).all()
    assert judged(ghost, [])[0] == [0]


def test_a_pose_about_a_person_counts_wherever_it_is() -> None:
    mirrored = pose_at(10, 20)
    mirrored[:, 0] = 50 - mirrored[:, 0]
    (oks,), _ = judged([mirrored], [person_at(10, 20)], background=0.3)
    assert 0 < oks < 0.5


@pytest.mark.parametrize("joints", [0, LEAST_JOINTS - 1])
def test_who_stands_among_people_without_joints_is_not_judged(joints: int) -> None:
    nobody_knows = person_at(10, 20, joints)
    assert np.isnan(judged([pose_at(12, 22)], [nobody_knows])[0]).all()
    crowd = replace(nobody_knows, box=np.array([0, 0, 100, 150], np.float32))
    oks, _ = judged([pose_at(60, 60), pose_at(160, 110)], [crowd])
    assert np.isnan(oks[0])
    assert oks[1] == 0


def test_no_poses_are_no_trouble() -> None:
    view = View(np.zeros((9, 9, 3), np.uint8), (person_at(0, 0),), np.ones((9, 9), np.float32))
    oks, who = true_oks(np.zeros((0, 17, 3), np.float32), view)
    assert oks.shape == who.shape == (0,)
