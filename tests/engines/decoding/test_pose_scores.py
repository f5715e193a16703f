"""Scores of people found in boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.decoding.pose_scores import SEEN_CONFIDENCE, scores_in_boxes
from stream.skeleton import COCO_17

JOINTS = len(COCO_17.joints)
CONFIDENCES = arrays(np.float32, JOINTS, elements=st.floats(0, 1, width=32))


def posed(confidence: np.ndarray) -> np.ndarray:
    """(1, J, 3) with these confidences."""
    pose = np.zeros((1, JOINTS, 3), np.float32)
    pose[0, :, 2] = confidence
    return pose


def score(confidence: np.ndarray, box: float = 1.0) -> float:
    return float(scores_in_boxes(posed(confidence), np.array([box], np.float32))[0])


def test_it_is_the_boxs_score_times_the_mean_of_the_joints_seen() -> None:
    confidence = np.zeros(JOINTS)
    confidence[:4] = 0.8, 0.6, 0.4, 0.2

    assert score(confidence, box=0.5) == pytest.approx(0.25)


def test_who_shows_a_few_sure_joints_and_doubtful_others_is_doubtful() -> None:
    whole = np.full(JOINTS, 0.6)
    partly = np.full(JOINTS, 0.1)
    partly[:3] = 0.8

    assert score(whole) > score(partly)


def test_nobody_is_there_where_no_joint_is_seen() -> None:
    assert score(np.full(JOINTS, SEEN_CONFIDENCE)) == 0


@given(CONFIDENCES, st.floats(0, 1, width=32))
def test_it_is_never_above_the_boxs(confidence: np.ndarray, box: float) -> None:
    assert 0 <= score(confidence, box) <= box * (1 + 1e-6)
