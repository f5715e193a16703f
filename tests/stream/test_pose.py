import numpy as np
import pytest

from stream.errors import PoseError
from stream.pose import Pose


def pose(points: list[tuple[float, float]], confidence: list[float], score: float = 0.5) -> Pose:
    return Pose(np.array(points, np.float32), np.array(confidence, np.float32), score)


SQUARE = [(10.0, 20.0), (30.0, 20.0), (30.0, 60.0), (10.0, 60.0), (90.0, 0.0)]


def test_the_box_goes_around_what_was_seen() -> None:
    assert pose(SQUARE, [0.9, 0.9, 0.9, 0.2, 0.19]).box_px() == (10, 20, 20, 40)


def test_the_box_goes_around_everything_if_hardly_anything_was_seen() -> None:
    assert pose(SQUARE, [0.9, 0.9, 0.1, 0.1, 0.1]).box_px() == (10, 0, 80, 60)


def test_how_sure_a_seen_keypoint_is_can_be_chosen() -> None:
    assert pose(SQUARE, [0.9, 0.9, 0.9, 0.5, 0.6]).box_px(0.6) == (10, 0, 80, 60)


def test_poses_cannot_be_written_to() -> None:
    fixed = pose(SQUARE, [1.0] * 5)
    with pytest.raises(ValueError, match="read-only"):
        fixed.keypoints_px[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        fixed.confidence[0] = 1


@pytest.mark.parametrize(
    ("shape", "confidences", "words"),
    [((17, 3), 17, r"expected \(J, 2\)"), ((34,), 17, r"expected \(J, 2\)"),
     ((17, 2), 16, r"confidence: expected \(17,\)")],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(
    shape: tuple[int, ...], confidences: int, words: str
) -> None:
    with pytest.raises(PoseError, match=words):
        Pose(np.zeros(shape, np.float32), np.zeros(confidences, np.float32), 0.5)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(wrong: float) -> None:
    with pytest.raises(PoseError, match="finite"):
        pose([(wrong, 0.0)], [0.5])
    with pytest.raises(PoseError, match="finite"):
        pose([(0.0, 0.0)], [wrong])


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_beyond_0_and_1_is_refused(score: float) -> None:
    with pytest.raises(PoseError, match="score must lie"):
        pose([(0.0, 0.0)], [0.5], score)
