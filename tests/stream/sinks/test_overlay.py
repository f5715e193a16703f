from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.frame import Outcome
from stream.picture import picture_from_rgb, to_rgb
from stream.pose import Pose, TrackedPose
from stream.sinks.overlay import (
    LEFT,
    MIDDLE,
    RIGHT,
    annotated,
    side_colour,
    stroke_px,
    track_colour,
)
from stream.skeleton import COCO_17
from tests.results import grey, result_of, standing_person

WIDTH, HEIGHT = 320, 240
PICTURE = picture_from_rgb(grey(WIDTH, HEIGHT))
PLAIN = to_rgb(PICTURE)


def changed(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((picture != PLAIN).any(axis=2))


def drawn(*poses: TrackedPose) -> NDArray[np.uint8]:
    return annotated(result_of(0, *poses, picture=PICTURE))


def with_confidence(tracked: TrackedPose, confidence: NDArray[np.float32]) -> TrackedPose:
    return replace(tracked, pose=replace(tracked.pose, confidence=confidence))


def test_a_limb_has_the_colour_of_its_side() -> None:
    names = COCO_17.joints
    assert side_colour(names.index("left_hip"), names.index("left_knee")) == LEFT
    assert side_colour(names.index("right_wrist")) == RIGHT
    assert side_colour(names.index("left_hip"), names.index("right_hip")) == MIDDLE
    assert side_colour(names.index("nose")) == MIDDLE


def test_joints_are_drawn_where_they_are() -> None:
    person = standing_person(centre=(160, 130), height=180)
    picture = drawn(person)
    for name, colour in (("left_ankle", LEFT), ("right_ankle", RIGHT), ("left_wrist", LEFT)):
        x, y = np.rint(person.pose.keypoints_px[COCO_17.joints.index(name)]).astype(int)
        assert tuple(picture[y, x]) == colour, name


def test_a_joint_under_the_confidence_is_not_drawn_nor_its_limbs() -> None:
    person = standing_person(centre=(160, 130), height=180)
    ankle = COCO_17.joints.index("left_ankle")
    confidence = person.pose.confidence.copy()
    confidence[ankle] = 0.19
    picture = drawn(with_confidence(person, confidence))
    knee = person.pose.keypoints_px[COCO_17.joints.index("left_knee")]
    below_knee = (knee + person.pose.keypoints_px[ankle]) / 2
    x, y = np.rint(below_knee).astype(int)
    assert not changed(picture)[y - 5 : y + 30, x - 5 : x + 5].any()


def test_a_person_without_any_joint_seen_still_has_a_label() -> None:
    person = standing_person(centre=(160, 130), height=180)
    picture = drawn(with_confidence(person, np.zeros(17, np.float32)))
    rows = np.flatnonzero(changed(picture).any(axis=1))
    assert 0 < len(rows) < 30


def test_the_label_has_the_colour_of_its_track() -> None:
    picture = drawn(standing_person(7, centre=(160, 130), height=180))
    found = (picture == np.array(track_colour(7), np.uint8)).all(axis=2)
    assert found[:60].sum() > 50


def test_labels_of_neighbouring_tracks_differ() -> None:
    colours = np.array([track_colour(track) for track in range(1, 30)], np.int64)
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() > 40


def test_lines_grow_with_the_picture() -> None:
    widths = [stroke_px(*size) for size in ((1, 1), (480, 270), (768, 576), (1920, 1080))]
    assert widths == [1, 1, 2, 4]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome != "inferred"])
def test_a_frame_that_was_not_inferred_is_plain_but_for_a_note(outcome: Outcome) -> None:
    where = changed(annotated(result_of(0, outcome=outcome, picture=PICTURE)))
    assert where[:30, :100].any()
    assert not where[30:].any()
    assert not where[:, 100:].any()


def test_an_inferred_frame_without_people_stays_as_it_is() -> None:
    np.testing.assert_array_equal(drawn(), PLAIN)


def test_the_frame_itself_is_not_drawn_on() -> None:
    before = PICTURE.y.copy()
    drawn(standing_person())
    np.testing.assert_array_equal(PICTURE.y, before)


wild = st.floats(-(2.0**99), 2.0**99, width=32)


@given(
    points=st.lists(
        st.tuples(wild, wild),
        min_size=17,
        max_size=17,
    ),
    size=st.sampled_from([(1, 1), (2, 9), (320, 240)]),
)
def test_no_pose_is_too_wild_and_no_picture_too_small(
    points: list[tuple[float, float]], size: tuple[int, int]
) -> None:
    pose = Pose(np.array(points, np.float32), np.ones(17, np.float32), 0.5)
    picture = picture_from_rgb(grey(*size))
    annotated(result_of(0, TrackedPose(123456, pose), picture=picture))
