import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.evaluation.flip_test import (
    averaged,
    merged,
    mirrored_boxes,
    mirrored_people,
    mirrored_rgb,
    with_flip_test,
)
from builders.evaluation.people import People, Rgb
from stream.skeleton import COCO_17
from tests.builders.evaluation.labelled import people, person_at


def sure(x: float, confidence: float = 0.8) -> np.ndarray:
    person = person_at(x, 50)
    person[:, 2] = confidence
    return person


def test_mirroring_twice_gives_the_same_people_and_pixels() -> None:
    found = people((sure(20), 0.9))
    twice = mirrored_people(mirrored_people(found, 640, COCO_17), 640, COCO_17)
    np.testing.assert_allclose(twice[0], found[0])
    rgb = np.random.default_rng(1).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(mirrored_rgb(mirrored_rgb(rgb)), rgb)


def test_a_left_wrist_in_the_first_column_is_a_right_wrist_in_the_last() -> None:
    person = sure(20)
    person[9] = (0, 7, 0.5)
    turned = mirrored_people(people((person, 0.9)), 640, COCO_17)[0][0]
    assert turned[10].tolist() == [639, 7, 0.5]


def test_a_mirrored_box_holds_the_mirrored_joints() -> None:
    box = np.array([[10, 20, 30, 40]], np.float32)
    turned, _ = mirrored_boxes((box, np.ones(1, np.float32)), 100)
    assert turned.tolist() == [[59, 20, 30, 40]]  # joints at 10 and 40 are mirrored to 89 and 59


def test_an_even_handed_system_is_not_changed() -> None:
    def predict(rgb: Rgb) -> People:
        """A person at the column of the brightest pixel, left joints where right ones are too."""
        column = float(rgb[0, :, 0].argmax())
        person = np.tile([column, 5, 0.5], (17, 1)) + np.arange(17)[:, None] // 2 * [0, 10, 0]
        person = np.maximum(person, person[COCO_17.flip_order()])
        return person[None].astype(np.float32), np.array([0.6], np.float32)

    rgb = np.zeros((4, 200, 3), np.uint8)
    rgb[:, 30] = 255
    keypoints, scores = with_flip_test(predict, COCO_17)(rgb)
    np.testing.assert_allclose(keypoints, predict(rgb)[0], atol=1e-4)
    np.testing.assert_allclose(scores, [0.6])


def test_places_are_weighted_by_confidence() -> None:
    first, second = sure(0, 0.9)[None], sure(4, 0.3)[None]
    both = averaged(first, second)
    np.testing.assert_allclose(both[..., 0], first[..., 0] + 1, atol=1e-4)
    np.testing.assert_allclose(both[..., 2], 0.6, atol=1e-6)


def test_whom_only_one_of_the_two_saw_keeps_half_the_score() -> None:
    seen = people((sure(20), 0.9), (sure(300), 0.5))
    mirrored = people((sure(22), 0.7), (sure(450), 0.8))
    keypoints, scores = merged(seen, mirrored, COCO_17)
    np.testing.assert_allclose(scores, [0.8, 0.4, 0.25])
    np.testing.assert_allclose(keypoints[:, 0, 0], [21, 450, 300])


def test_one_person_of_the_mirror_image_is_taken_once_by_the_better_one() -> None:
    seen = people((sure(20), 0.4), (sure(22), 0.9))
    keypoints, scores = merged(seen, people((sure(21), 0.5)), COCO_17)
    np.testing.assert_allclose(scores, [0.7, 0.2])
    np.testing.assert_allclose(keypoints[:, 0, 0], [21.5, 20])


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_on_either_side_is_fine(count: int) -> None:
    nobody = np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32)
    one = people((sure(20), 0.9))
    assert len(merged(nobody, one if count else nobody, COCO_17)[0]) == count
    assert len(merged(one if count else nobody, nobody, COCO_17)[0]) == count


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_nobody_is_lost_and_scores_stay_in_range(first: int, second: int, seed: int) -> None:
    random = np.random.default_rng(seed)

    def some(count: int) -> People:
        keypoints = random.uniform(0, 300, (count, 17, 3)).astype(np.float32)
        keypoints[..., 2] /= 300
        return keypoints, random.uniform(0, 1, count).astype(np.float32)

    keypoints, scores = merged(some(first), some(second), COCO_17)
    assert max(first, second) <= len(keypoints) <= first + second
    assert np.isfinite(keypoints).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores) <= 0).all()
