from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.training.crops import (
    LOWER_BODY,
    UPPER_BODY,
    Crops,
    CropSettings,
    jittered,
    mirrored_crop,
    plain_crop,
    random_crop,
)
from builders.training.dataset import TrainingSet
from builders.training.labels import LabelledPicture, Person
from stream.errors import ConfigError
from stream.geometry import crop_affine

RED, GREEN = (255, 0, 0), (0, 255, 0)
STILL = CropSettings(96, 128, scale=0, rotation_share=0, mirror_share=0, half_body_share=0)


def person(known: int = 17) -> Person:
    """Joints on a circle of radius 50 about (100, 90), ignored beyond `known`."""
    angle = np.linspace(0, 2 * np.pi, 17, endpoint=False)
    xy = np.stack([100 + 50 * np.cos(angle), 90 + 50 * np.sin(angle)], -1)
    keypoints = np.column_stack([xy, np.arange(17) < known]).astype(np.float32)
    return Person(keypoints, np.array([50, 40, 100, 100], np.float32), absent_is_background=True)


def marked() -> np.ndarray:
    """Black, red at the nose and green at the right ankle."""
    rgb = np.zeros((200, 220, 3), np.uint8)
    for joint, colour in ((0, RED), (16, GREEN)):
        x, y = np.rint(person().keypoints[joint, :2]).astype(int)
        rgb[y - 4 : y + 5, x - 4 : x + 5] = colour
    return rgb


def test_a_crop_without_randomness_is_that_of_the_test() -> None:
    affine = crop_affine(person().box.tolist(), 96, 128)
    expected = plain_crop(marked(), person(), affine)
    got = random_crop(marked(), person(), STILL, np.random.default_rng(0))
    assert np.array_equal(got.pixels, expected.pixels)
    np.testing.assert_allclose(got.joints, expected.joints)
    assert got.area_px2 == pytest.approx(100 * 100 * (96 / 125) ** 2)


@given(st.integers(0, 5_000))
def test_joints_stay_on_their_pixels_in_every_crop(seed: int) -> None:
    settings = CropSettings(96, 128)
    crop = random_crop(marked(), person(), settings, np.random.default_rng(seed))
    # In a mirror image the right ankle is called the left one.
    for joints, channel in (((0,), 0), ((15, 16), 1)):
        places = [np.rint(crop.joints[joint, :2]).astype(int) for joint in joints]
        inside = [(x, y) for x, y in places if 3 <= x < 93 and 3 <= y < 125]
        if len(inside) == len(joints):
            assert max(crop.pixels[y, x, channel] for x, y in inside) > 100


def test_a_mirrored_crop_swaps_left_and_right_and_back() -> None:
    crop = random_crop(marked(), person(), STILL, np.random.default_rng(0))
    once = mirrored_crop(crop)
    assert once.joints[15, 0] == pytest.approx(95 - crop.joints[16, 0])
    assert np.array_equal(once.pixels[:, 0], crop.pixels[:, -1])
    np.testing.assert_allclose(mirrored_crop(once).joints, crop.joints, rtol=1e-6)


def test_scale_and_rotation_stay_in_their_ranges() -> None:
    settings = CropSettings(96, 128, mirror_share=0, half_body_share=0)
    plain = 96 / crop_affine(person().box.tolist(), 96, 128).width_px
    zooms, turns = [], []
    for seed in range(300):
        joints = random_crop(marked(), person(), settings, np.random.default_rng(seed)).joints
        before = person().keypoints[4, :2] - person().keypoints[12, :2]
        after = joints[4, :2] - joints[12, :2]
        zooms.append(np.hypot(*after) / np.hypot(*before) / plain)
        turn = np.rad2deg(np.arctan2(*before[::-1]) - np.arctan2(*after[::-1]))
        turns.append((turn + 180) % 360 - 180)
    assert 1 / 1.35 - 1e-4 <= min(zooms) < 0.8
    assert 1.3 < max(zooms) <= 1 / 0.65 + 1e-4
    assert np.mean(np.abs(turns) < 0.01) == pytest.approx(0.4, abs=0.08)
    assert 60 < np.abs(turns).max() <= 90.01


def test_edges_of_a_box_move_by_at_most_twice_the_deviation() -> None:
    box = np.array([50, 40, 100, 200], np.float32)
    assert jittered(box, 0, np.random.default_rng(0)) is box
    moved = np.array([jittered(box, 0.1, np.random.default_rng(seed)) for seed in range(200)])
    low, high = moved[:, :2], moved[:, :2] + moved[:, 2:]
    away = np.abs(np.concatenate([low - (50, 40), high - (150, 240)], 1)) / (100, 200, 100, 200)
    assert (away <= 0.2 + 1e-6).all()
    assert away.mean(0) == pytest.approx(np.full(4, 0.08), abs=0.02)


def test_half_a_body_fills_the_crop_and_needs_enough_joints() -> None:
    settings = CropSettings(96, 128, scale=0, rotation_share=0, mirror_share=0, half_body_share=1)
    kinds = set()
    for seed in range(20):
        joints = random_crop(marked(), person(), settings, np.random.default_rng(seed)).joints
        middle = {half: joints[list(half), :2].mean(0) for half in (UPPER_BODY, LOWER_BODY)}
        kinds |= {half for half, at in middle.items() if np.allclose(at, (48, 64), atol=0.01)}
    assert kinds == {UPPER_BODY, LOWER_BODY}
    whole = random_crop(marked(), person(8), STILL, np.random.default_rng(0)).joints
    few = random_crop(marked(), person(8), settings, np.random.default_rng(0)).joints
    np.testing.assert_allclose(few, whole)


def test_a_set_without_known_people_is_named() -> None:
    nobody = LabelledPicture(Path("x.png"), (), 1.0)
    with pytest.raises(ConfigError, match="training set empty: nobody"):
        Crops([TrainingSet("empty", 1.0, [nobody])], STILL)
    with pytest.raises(ConfigError, match="no training set has a share"):
        Crops([TrainingSet("empty", 0.0, [nobody])], STILL)
