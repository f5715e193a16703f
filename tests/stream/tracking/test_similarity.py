import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.pose import Pose
from stream.skeleton import COCO_17
from stream.tracking.similarity import (
    SURE_JOINT_CONFIDENCE,
    Floats,
    box_overlap,
    pose_similarity,
    tabulated,
)
from tests.stream.tracking.walkers import STANDING, person


def similarity(track: Pose, pose: Pose, drift_px: float = 0.0) -> float:
    return float(pose_similarity([track], [pose], np.array([drift_px], np.float32), COCO_17)[0, 0])


def test_a_pose_is_like_itself() -> None:
    assert similarity(person(100), person(100)) == pytest.approx(1)


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0, 1), st.floats(0, 100))
def test_similarity_lies_between_0_and_1(x: float, y: float, sure: float, drift: float) -> None:
    assert 0 <= similarity(person(0), person(x, y, confidence=sure), drift) <= 1 + 1e-6


@given(st.floats(0, 100), st.floats(1, 100))
def test_similarity_falls_with_distance(near: float, further: float) -> None:
    at_near, at_far = (similarity(person(0), person(x)) for x in (near, near + further))
    assert at_far <= at_near + 1e-6


@given(st.floats(-60, 60), st.floats(0.2, 5), st.floats(-1000, 1000))
def test_similarity_is_unchanged_by_zoom_and_shift(x: float, zoom: float, shift: float) -> None:
    def seen(pose: Pose) -> Pose:
        keypoints_px = (pose.keypoints_px * zoom + shift).astype(np.float32)
        return Pose(keypoints_px, pose.confidence, pose.score)

    plain = similarity(person(0), person(x), 5.0)
    zoomed = similarity(seen(person(0)), seen(person(x)), 5.0 * zoom)
    assert zoomed == pytest.approx(plain, abs=2e-3)


def test_joints_hidden_in_either_pose_do_not_count() -> None:
    confidence = np.full(17, 0.8, np.float32)
    confidence[:5] = 0
    wrong_head = STANDING.copy()
    wrong_head[:5] += 40
    hidden = Pose(wrong_head, confidence, 0.9)
    assert similarity(person(0, 0), hidden) == pytest.approx(1, abs=0.03)  # the area grows a bit
    assert similarity(hidden, person(0, 0)) == pytest.approx(1, abs=0.03)


def test_boxes_decide_when_no_joint_is_sure() -> None:
    track, pose = person(0, confidence=0.1), person(18, confidence=0.1)
    boxes = [np.array([p.box_px()], np.float32) for p in (track, pose)]
    assert similarity(track, pose) == pytest.approx(float(box_overlap(*boxes)[0, 0]))


def test_an_uncertain_place_tolerates_distance() -> None:
    assert similarity(person(0), person(30), drift_px=20) > similarity(person(0), person(30)) + 0.2


def test_nobody_is_like_nobody() -> None:
    assert pose_similarity([], [person(0)], np.zeros(0, np.float32), COCO_17).shape == (0, 1)
    assert pose_similarity([person(0)], [], np.zeros(1, np.float32), COCO_17).shape == (1, 0)


@pytest.mark.parametrize(
    ("second", "overlap"),
    [((0, 0, 10, 10), 1), ((5, 0, 10, 10), 1 / 3), ((10, 0, 10, 10), 0), ((2, 2, 0, 0), 0)],
)
def test_box_overlap_is_intersection_over_union(second: tuple[float, ...], overlap: float) -> None:
    def boxes(*sides: float) -> Floats:
        return np.array([sides], np.float32)

    assert box_overlap(boxes(0, 0, 10, 10), boxes(*second))[0, 0] == pytest.approx(overlap)


@given(st.lists(st.lists(st.floats(0, 1), min_size=17, max_size=17), min_size=1, max_size=4))
def test_boxes_of_a_table_are_those_of_its_poses(confidences: list[list[float]]) -> None:
    joints = [np.array(values, np.float32) for values in confidences]
    poses = [Pose(STANDING * np.float32(1 + i), sure, 0.5) for i, sure in enumerate(joints)]
    boxes = [pose.box_px(SURE_JOINT_CONFIDENCE) for pose in poses]
    np.testing.assert_array_equal(tabulated(poses).boxes_px, np.array(boxes, np.float32))
