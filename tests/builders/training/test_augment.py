from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.training.augment import (
    AugmentSettings,
    View,
    camera_faults,
    paste,
    person_mask,
    random_view,
)
from builders.training.labels import LabelledPicture, Person

SETTINGS = AugmentSettings(canvas=128, person_px=(40.0, 90.0))


def standing(x: float, y: float, size: float) -> Person:
    """A person whose 17 joints fill a box of `size`, left joints left of right ones."""
    grid = np.array(
        [(0, 0), (-1, -1), (1, -1), (-2, 0), (2, 0), (-6, 8), (6, 8), (-9, 18), (9, 18),
         (-10, 28), (10, 28), (-4, 30), (4, 30), (-4, 45), (4, 45), (-4, 60), (4, 60)], np.float32,
    )  # fmt: skip
    points = grid / 60 * size + (x, y)
    keypoints = np.column_stack([points, np.ones(17)]).astype(np.float32)
    low, high = points.min(0), points.max(0)
    return Person(keypoints, np.array([*low, *(high - low)], np.float32), absent_is_background=True)


def marked_picture(person: Person) -> np.ndarray:
    """Black, with a bright spot on the nose and a green one on the right ankle."""
    rgb = np.zeros((240, 320, 3), np.uint8)
    for joint, colour in ((0, (255, 0, 0)), (16, (0, 255, 0))):
        x, y = np.rint(person.keypoints[joint, :2]).astype(int)
        rgb[y - 3 : y + 4, x - 3 : x + 4] = colour
    return rgb


@given(st.integers(0, 10_000))
def test_joints_stay_on_their_pixels_through_every_view(seed: int) -> None:
    person = standing(160, 90, 100)
    label = LabelledPicture(Path("x.png"), (person,), 1.0, stretched=bool(seed % 2))
    view = random_view(marked_picture(person), label, SETTINGS, np.random.default_rng(seed))
    seen = view.people[0].keypoints
    # After a mirror image the right ankle is called the left one.
    for joint, channel in ((0, 0), (16, 1), (15, 1)):
        x, y = np.rint(seen[joint, :2]).astype(int)
        if joint == 0 and 4 <= x < 124 and 4 <= y < 124:
            assert view.pixels[y, x, channel] > 120
    ankles = [np.rint(seen[j, :2]).astype(int) for j in (15, 16)]
    inside = [(x, y) for x, y in ankles if 4 <= x < 124 and 4 <= y < 124]
    if len(inside) == 2:
        assert max(view.pixels[y, x, 1] for x, y in inside) > 120


def test_mirror_images_swap_left_and_right_names() -> None:
    person = standing(160, 90, 100)
    label = LabelledPicture(Path("x.png"), (person,), 1.0)
    for seed in range(12):
        view = random_view(marked_picture(person), label, SETTINGS, np.random.default_rng(seed))
        seen = view.people[0].keypoints
        # Left joints lie at smaller x in this drawing; a swap of names keeps that in the mirror.
        assert (seen[6, 0] - seen[5, 0]) > 0


def test_the_same_seed_gives_the_same_view() -> None:
    person = standing(160, 90, 100)
    label = LabelledPicture(Path("x.png"), (person,), 1.0)
    views = [
        random_view(marked_picture(person), label, SETTINGS, np.random.default_rng(5))
        for _ in range(2)
    ]
    assert np.array_equal(views[0].pixels, views[1].pixels)


def test_background_is_unknown_inside_a_partly_labelled_picture_and_known_around_it() -> None:
    label = LabelledPicture(Path("x.png"), (), 0.0)
    rgb = np.zeros((100, 100, 3), np.uint8)
    view = random_view(rgb, label, SETTINGS, np.random.default_rng(0))
    grey = (view.pixels == 114).all(-1)
    assert (view.background[grey] == 1).mean() > 0.95
    assert (view.background[~grey] == 0).mean() > 0.9


def test_pasting_covers_joints_behind_and_adds_the_person_in_front() -> None:
    behind, front = standing(60, 20, 90), standing(62, 20, 90)
    view = View(np.zeros((128, 128, 3), np.uint8), (behind,), np.zeros((128, 128), np.float32))
    other = View(np.full((128, 128, 3), 200, np.uint8), (front,), np.ones((128, 128), np.float32))
    pasted = paste(view, other)
    assert len(pasted.people) == 2
    assert pasted.people[0].ignored
    x, y = np.rint(front.keypoints[11:13, :2].mean(0)).astype(int)
    assert pasted.pixels[y, x, 0] > 180
    assert pasted.background[y, x] == 1
    assert pasted.pixels[120, 5, 0] == 0


def test_a_person_with_few_joints_is_not_pasted() -> None:
    person = standing(60, 20, 90)
    keypoints = person.keypoints.copy()
    keypoints[8:, 2] = 0
    assert person_mask(Person(keypoints, person.box, absent_is_background=True), (128, 128)) is None


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_camera_faults_keep_shape_and_type(probability: float) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    faulty = camera_faults(rgb, probability, np.random.default_rng(1))
    assert faulty.shape == rgb.shape
    assert faulty.dtype == np.uint8
