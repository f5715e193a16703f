import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.pose import Pose
from stream.tracking.motion import PoseMotion, correct_motions, predict_motions, start_motion
from tests.stream.tracking.walkers import STANDING, middle_x, person


def predict_motion(motion: PoseMotion, seconds: float) -> PoseMotion:
    return predict_motions([motion], seconds)[0]


def correct_motion(predicted: PoseMotion, measured: Pose) -> PoseMotion:
    return correct_motions([predicted], [measured])[0]


def walked(frames: int, fps: float, speed_px_per_second: float) -> PoseMotion:
    motion = start_motion(person(0))
    for index in range(1, frames):
        predicted = predict_motion(motion, 1 / fps)
        motion = correct_motion(predicted, person(index / fps * speed_px_per_second))
    return motion


@pytest.mark.parametrize("fps", [5.0, 10.0, 60.0])
def test_the_speed_of_a_walker_is_learnt_at_every_frame_rate(fps: float) -> None:
    motion = walked(int(fps * 2), fps, 100.0)
    np.testing.assert_allclose(motion.velocity_px_per_second, [100, 0], atol=3)


def test_a_learnt_walker_is_predicted_through_a_gap() -> None:
    motion = walked(30, 10.0, 100.0)
    ahead = predict_motion(motion, 0.5)
    assert middle_x(ahead.pose) == pytest.approx(middle_x(person(340)), abs=3)


@given(st.floats(0.01, 1), st.integers(2, 10))
def test_one_long_step_equals_many_short_ones(seconds: float, steps: int) -> None:
    motion = short = walked(10, 10.0, 80.0)
    for _ in range(steps):
        short = predict_motion(short, seconds / steps)
    long = predict_motion(motion, seconds)
    np.testing.assert_allclose(short.covariance, long.covariance, rtol=1e-6)
    np.testing.assert_allclose(short.pose.keypoints_px, long.pose.keypoints_px, atol=1e-2)


def test_drift_grows_while_nobody_is_seen_and_shrinks_when_somebody_is() -> None:
    motion = walked(5, 10.0, 50.0)
    alone = predict_motion(motion, 0.4)
    assert alone.drift_px > motion.drift_px
    assert correct_motion(alone, person(40)).drift_px < alone.drift_px


def test_drift_is_bounded_in_scales() -> None:
    motion = predict_motion(start_motion(person(0)), 1000.0)
    assert motion.drift_px <= 0.6 * motion.scale_px


def test_no_time_moves_nothing() -> None:
    motion = walked(10, 10.0, 100.0)
    still = predict_motion(motion, 0.0)
    np.testing.assert_array_equal(still.pose.keypoints_px, motion.pose.keypoints_px)
    np.testing.assert_array_equal(still.covariance, motion.covariance)


def test_hidden_joints_do_not_pull_the_velocity() -> None:
    motion = walked(10, 10.0, 0.0)
    confidence = np.full(17, 0.9, np.float32)
    confidence[7:11] = 0
    waving = STANDING + np.array([0, 200], np.float32)
    waving[7:11] += 80
    corrected = correct_motion(predict_motion(motion, 0.1), Pose(waving, confidence, 0.9))
    np.testing.assert_allclose(corrected.velocity_px_per_second, [0, 0], atol=1e-2)


def test_a_person_of_a_single_point_has_a_motion() -> None:
    point = Pose(np.full((17, 2), 5, np.float32), np.zeros(17, np.float32), 0.5)
    motion = correct_motion(predict_motion(start_motion(point), 0.1), point)
    assert np.isfinite(motion.covariance).all()
    np.testing.assert_allclose(motion.pose.keypoints_px, 5)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 1)), min_size=1, max_size=6))
def test_what_becomes_of_somebody_does_not_depend_on_the_others(
    people: list[tuple[float, float]],
) -> None:
    begun = [start_motion(person(x)) for x, _ in people]
    measured = [person(x + 7, confidence=sure) for x, sure in people]
    together = correct_motions(predict_motions(begun, 0.1), measured)
    for motion, pose, of_all in zip(begun, measured, together, strict=True):
        alone = correct_motion(predict_motion(motion, 0.1), pose)
        np.testing.assert_array_equal(of_all.pose.keypoints_px, alone.pose.keypoints_px)
        np.testing.assert_array_equal(of_all.covariance, alone.covariance)
        assert of_all.drift_px == alone.drift_px
    assert correct_motions(predict_motions([], 0.1), []) == []
