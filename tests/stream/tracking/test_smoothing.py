import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError
from stream.pose import Pose
from stream.tracking.smoothing import SmoothingSettings, smooth, start_smoothing
from tests.stream.tracking.walkers import STANDING, middle_x, person

SETTINGS = SmoothingSettings()


def jittering(seed: int, count: int) -> list[Pose]:
    noise = np.random.default_rng(seed).normal(0, 2, (count, 17, 2))
    confidence = np.full(17, 0.8, np.float32)
    return [Pose((STANDING + n).astype(np.float32), confidence.copy(), 0.9) for n in noise]


def filtered(poses: list[Pose], fps: float) -> list[Pose]:
    state = start_smoothing(poses[0])
    shown = [state.pose]
    for pose in poses[1:]:
        state = smooth(state, pose, 1 / fps, SETTINGS)
        shown.append(state.pose)
    return shown


def test_the_first_pose_passes_as_it_is() -> None:
    pose = person(10)
    assert start_smoothing(pose).pose is pose


def test_the_jitter_of_a_standing_person_shrinks() -> None:
    poses = jittering(1, 120)
    before = np.std([pose.keypoints_px for pose in poses[20:]], axis=0).mean()
    after = np.std([pose.keypoints_px for pose in filtered(poses, 30)[20:]], axis=0).mean()
    assert after < 0.6 * before


@pytest.mark.parametrize("fps", [10.0, 30.0, 60.0])
def test_a_runner_is_followed_closely(fps: float) -> None:
    speed = 300.0
    poses = [person(index / fps * speed) for index in range(int(2 * fps))]
    lag_seconds = (middle_x(poses[-1]) - middle_x(filtered(poses, fps)[-1])) / speed
    assert 0 <= lag_seconds < 0.03


@given(st.integers(0, 1000), st.floats(1, 120))
def test_a_smoothed_keypoint_lies_between_the_last_one_and_the_measured(
    seed: int, fps: float
) -> None:
    first, second = jittering(seed, 2)
    shown = filtered([first, second], fps)[1].keypoints_px
    low = np.minimum(first.keypoints_px, second.keypoints_px)
    high = np.maximum(first.keypoints_px, second.keypoints_px)
    assert ((shown >= low - 1e-3) & (shown <= high + 1e-3)).all()


def test_after_a_long_gap_the_measured_pose_counts() -> None:
    state = smooth(start_smoothing(person(0)), person(100), 60.0, SETTINGS)
    assert middle_x(state.pose) == pytest.approx(middle_x(person(100)), abs=0.5)


def test_without_time_the_keypoints_stay_but_confidence_and_score_are_new() -> None:
    state = smooth(start_smoothing(person(0)), person(50, score=0.4, confidence=0.3), 0.0, SETTINGS)
    np.testing.assert_array_equal(state.pose.keypoints_px, person(0).keypoints_px)
    assert state.pose.score == 0.4
    assert state.pose.confidence[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "wrong",
    [{"min_cutoff_hz": 0}, {"speed_cutoff_hz": -1}, {"cutoff_hz_per_scale_per_second": -0.1}],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="cutoff"):
        SmoothingSettings(**wrong)
