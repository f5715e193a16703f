from dataclasses import replace

import numpy as np
import pytest

from builders.training.augment import View
from builders.training.labels import JOINTS, Person
from builders.training.people_on_canvas import box_labels, pose_labels

SIDE = 64
STRIDES = (8, 16, 32)


def person(box: tuple[float, float, float, float], **changed: object) -> Person:
    """Joints on the diagonal of the box, all known."""
    x, y, w, h = box
    shares = np.linspace(0, 1, JOINTS)
    keypoints = np.column_stack([x + w * shares, y + h * shares, np.ones(JOINTS)])
    made = Person(keypoints.astype(np.float32), np.array(box, np.float32), True)
    return replace(made, **changed)  # type: ignore[arg-type]


def view(*people: Person, background: float = 1.0) -> View:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    return View(pixels, people, np.full((SIDE, SIDE), background, np.float32))


def test_cells_are_as_sure_as_the_pixel_at_their_point() -> None:
    labels = pose_labels(view(background=0.3), STRIDES)
    assert [tuple(level.shape) for level in labels.certainty] == [(8, 8), (4, 4), (2, 2)]
    for level in labels.certainty:
        assert level.min().item() == level.max().item() == pytest.approx(0.3)
    assert labels.joints.shape == (0, 17, 3)
    assert labels.heat_certainty.shape == (17, 8, 8)


def test_nothing_is_sure_inside_the_box_of_an_ignored_person() -> None:
    ignored = person((16, 8, 16, 24), ignored=True)  # pixels 16..31 and 8..31
    labels = pose_labels(view(ignored, person((40, 40, 20, 20))), STRIDES)
    expected = np.ones((8, 8))
    expected[1:4, 2:4] = 0  # points at 12, 20, 28 and 20, 28
    np.testing.assert_array_equal(labels.certainty[0].numpy(), expected)
    assert labels.certainty[1].numpy()[0].tolist() == [1, 0, 1, 1]  # points at 8 and 24
    assert len(labels.joints) == 1


def test_absent_joints_are_known_to_be_absent_and_unknown_ones_are_not_taught() -> None:
    keypoints = person((0, 0, 32, 32)).keypoints.copy()
    keypoints[3, 2], keypoints[5, 2] = 0, 0.6
    absent = person((0, 0, 32, 32), keypoints=keypoints)
    unknown = replace(absent, absent_is_background=False)
    labels = pose_labels(view(absent), STRIDES)
    assert labels.joints[0, [3, 5], 2].tolist() == pytest.approx([-1, 0.6])
    assert (labels.heat_certainty == 1).all()
    labels = pose_labels(view(unknown), STRIDES)
    assert labels.joints[0, [3, 5], 2].tolist() == pytest.approx([0, 0.6])
    assert (labels.heat_certainty[3, :4, :4] == 0).all()
    assert labels.heat_certainty[3].sum() == 64 - 16
    assert (labels.heat_certainty[5] == 1).all()


def test_areas_are_those_of_the_segment_or_a_share_of_the_box() -> None:
    labels = pose_labels(
        view(person((0, 0, 10, 20), outline_px2=77.0), person((0, 0, 10, 20))), STRIDES
    )
    assert labels.areas.tolist() == pytest.approx([77, 0.53 * 200])


def test_boxes_are_cut_at_the_canvas_and_those_mostly_outside_are_left_out() -> None:
    inside, half = person((10, 20, 30, 20)), person((-10, 0, 20, 30))
    outside, tiny = person((60, 0, 40, 30)), person((5, 5, 3, 9))
    labels = box_labels(view(inside, half, outside, tiny), STRIDES)
    assert labels.boxes.tolist() == [[9.5, 19.5, 39.5, 39.5], [-0.5, -0.5, 9.5, 29.5]]
    assert (labels.certainty[0] == 1).all()


def test_people_without_joints_have_boxes_and_crowds_teach_nothing() -> None:
    alone = person((32, 32, 20, 30), ignored=True)
    crowd = person((0, 0, 16, 16), ignored=True, box_is_sure=False)
    labels = box_labels(view(alone, crowd), STRIDES)
    assert labels.boxes.tolist() == [[31.5, 31.5, 51.5, 61.5]]
    assert (labels.certainty[0][:2, :2] == 0).all()
    assert labels.certainty[0].sum() == 60


def test_a_level_may_reach_beyond_the_canvas() -> None:
    labels = box_labels(view(), (8, 16, 32, 64, 128))
    assert [len(level) for level in labels.certainty] == [8, 4, 2, 1, 1]
