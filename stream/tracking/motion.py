"""How a pose moves between two frames: a Kalman filter of constant velocity in seconds. Pure.

The joints keep their places to each other and shift together. The filter's state is that shift and
its velocity, the same for x and y; distances are measured in *scales*, the square root of the
person's area, so that one set of noises fits near and far people.

All people of a frame go through each step together, which takes a third of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    return PoseMotion(pose, np.zeros(2), covariance, _scales_px(pose.keypoints_px[None])[0])


def predict_motions(motions: Sequence[PoseMotion], elapsed_seconds: float) -> list[PoseMotion]:
    """Each state after a time without measurement.

    Noise of the speed is white, so ten steps of 0.1 s and one of 1 s give the same.
    """
    if not motions:
        return []
    t = elapsed_seconds
    step = np.array([[1, t], [0, 1]])
    noise = SPEED_NOISE_SCALES2_PER_SECOND3 * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]])
    covariances = step @ np.array([motion.covariance for motion in motions]) @ step.T + noise
    velocities = np.array([motion.velocity_px_per_second for motion in motions])
    poses = _shifted([motion.pose for motion in motions], velocities * t)
    return [
        PoseMotion(pose, motion.velocity_px_per_second, covariance, motion.scale_px)
        for pose, motion, covariance in zip(poses, motions, covariances, strict=True)
    ]


def correct_motions(predicted: Sequence[PoseMotion], measured: Sequence[Pose]) -> list[PoseMotion]:
    """Each state after a measurement at the predicted time, one for each."""
    if not predicted:
        return []
    covariances = np.array([motion.covariance for motion in predicted])
    ahead_px = _shifts_px([motion.pose for motion in predicted], measured)
    gains = covariances[:, :, 0] / (covariances[:, :1, 0] + PLACE_NOISE_SCALES**2)
    velocities = np.array([motion.velocity_px_per_second for motion in predicted])
    states = zip(
        # The joints as measured, where the filter believes the whole to be.
        _shifted(measured, (gains[:, :1] - 1) * ahead_px),
        velocities + gains[:, 1:] * ahead_px,
        covariances - gains[:, :, None] * covariances[:, :1],
        _scales_px(_keypoints(measured)),
        strict=True,
    )
    return [PoseMotion(*state) for state in states]


def _shifts_px(before: Sequence[Pose], after: Sequence[Pose]) -> NDArray[np.float64]:
    """(N, 2) mean shifts of the joints, by confidence, so that hidden joints do not pull."""
    sure = [np.array([pose.confidence for pose in poses]) for poses in (before, after)]
    weights = (sure[0] * sure[1]).astype(np.float64) + 1e-6
    shifts = (_keypoints(after) - _keypoints(before)).astype(np.float64)
    mean: NDArray[np.float64] = (shifts * weights[..., None]).sum(1) / weights.sum(1)[:, None]
    return mean


def _shifted(poses: Sequence[Pose], shifts_px: NDArray[np.float64]) -> list[Pose]:
    moved = (_keypoints(poses) + shifts_px[:, None]).astype(np.float32)
    return [
        Pose(keypoints_px, pose.confidence, pose.score)
        for keypoints_px, pose in zip(moved, poses, strict=True)
    ]


def _keypoints(poses: Sequence[Pose]) -> Floats:
    return np.array([pose.keypoints_px for pose in poses])


def _scales_px(keypoints_px: Floats) -> list[float]:
    """Of (N, J, 2) joints."""
    scales: list[float] = np.maximum(np.sqrt(pose_area_px2(keypoints_px)), 1.0).tolist()
    return scales
