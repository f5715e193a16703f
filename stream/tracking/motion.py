"""How a pose moves between two frames: a Kalman filter of constant velocity in seconds. Pure.

The joints keep their places to each other and shift together. The filter's state is that shift and
its velocity, the same for x and y; distances are measured in *scales*, the square root of the
person's area, so that one set of noises fits near and far people.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream.oks import pose_area_px2
from stream.pose import Pose

Floats = NDArray[np.float32]

PLACE_NOISE_SCALES = 0.06
"""Standard deviation of a measured place."""
START_SPEED_SCALES_PER_SECOND = 2.0
"""Standard deviation of the unknown speed of a new person: walking."""
SPEED_NOISE_SCALES2_PER_SECOND3 = 4.0
"""Growth of the variance of speed: in one second a walker may stop, or a stander walk."""
MAX_DRIFT_SCALES = 0.6
"""An uncertain track does not become alike to everybody."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseMotion:
    """Where a person is believed to be, and how it moves."""

    pose: Pose
    velocity_px_per_second: NDArray[np.float64]
    """(2,)"""
    covariance: NDArray[np.float64]
    """(2, 2) of place and speed, in scales and seconds; the same for x and y."""
    scale_px: float

    @property
    def drift_px(self) -> float:
        """Standard deviation of the place, in pixels, bounded."""
        return min(float(np.sqrt(self.covariance[0, 0])), MAX_DRIFT_SCALES) * self.scale_px


def start_motion(pose: Pose) -> PoseMotion:
    """A person seen for the first time: speed unknown, zero is the best guess."""
    covariance = np.diag([PLACE_NOISE_SCALES**2, START_SPEED_SCALES_PER_SECOND**2])
    return PoseMotion(pose, np.zeros(2), covariance, _scale_px(pose))


def predict_motion(motion: PoseMotion, elapsed_seconds: float) -> PoseMotion:
    """The state after a time without measurement.

    Noise of the speed is white, so ten steps of 0.1 s and one of 1 s give the same.
    """
    t = elapsed_seconds
    step = np.array([[1, t], [0, 1]])
    noise = SPEED_NOISE_SCALES2_PER_SECOND3 * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])
    return replace(
        motion,
        pose=_shifted(motion.pose, motion.velocity_px_per_second * t),
        covariance=step @ motion.covariance @ step.T + noise,
    )


def correct_motion(predicted: PoseMotion, measured: Pose) -> PoseMotion:
    """The state after a measurement at the predicted time."""
    ahead_px = _shift_px(predicted.pose, measured)
    spread = predicted.covariance[0, 0] + PLACE_NOISE_SCALES**2
    gain = predicted.covariance[:, 0] / spread
    return PoseMotion(
        # The joints as measured, where the filter believes the whole to be.
        pose=_shifted(measured, (gain[0] - 1) * ahead_px),
        velocity_px_per_second=predicted.velocity_px_per_second + gain[1] * ahead_px,
        covariance=predicted.covariance - np.outer(gain, predicted.covariance[0]),
        scale_px=_scale_px(measured),
    )


def _shift_px(before: Pose, after: Pose) -> NDArray[np.float64]:
    """(2,) mean shift of the joints, by confidence, so that hidden joints do not pull."""
    weights = (before.confidence * after.confidence).astype(np.float64) + 1e-6
    shift = (after.keypoints_px - before.keypoints_px).astype(np.float64)
    mean: NDArray[np.float64] = (shift * weights[:, None]).sum(0) / weights.sum()
    return mean


def _shifted(pose: Pose, shift_px: NDArray[np.float64]) -> Pose:
    return replace(pose, keypoints_px=(pose.keypoints_px + shift_px).astype(np.float32))


def _scale_px(pose: Pose) -> float:
    return max(1.0, float(np.sqrt(pose_area_px2(pose.keypoints_px[None])[0])))
