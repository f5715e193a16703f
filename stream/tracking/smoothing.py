"""One-Euro filter of every keypoint: still joints stand still, fast ones do not lag. Pure.

Casiez, Roussel, Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012. Here the speed is that of the keypoint (not of each axis) and is
measured in the person's scale, the square root of its area, so that near and far people are
smoothed alike. The state lies in the track and ends with it.
"""

from dataclasses import dataclass, replace
from math import pi

import numpy as np
from numpy.typing import NDArray

from stream.errors import ConfigError
from stream.oks import pose_area_px2
from stream.pose import Pose


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """How much to smooth; the paper's names stand behind."""

    min_cutoff_hz: float = 1.5
    """Of a joint at rest: lower is calmer (f_c,min)."""
    cutoff_hz_per_scale_per_second: float = 1.5
    """Growth of the cutoff with speed: higher lags less (beta)."""
    speed_cutoff_hz: float = 1.0
    """Of the speed itself (f_c of the derivative)."""

    def __post_init__(self) -> None:
        """Refuses cutoffs that are not above 0."""
        if min(self.min_cutoff_hz, self.speed_cutoff_hz) <= 0:
            raise ConfigError(f"smoothing cutoffs must be above 0 Hz, got {self}")
        if self.cutoff_hz_per_scale_per_second < 0:
            raise ConfigError(f"cutoff growth with speed must be 0 or more, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class SmoothedPose:
    """State of the filter after a frame."""

    pose: Pose
    """The latest measurement, its keypoints smoothed."""
    velocity_px_per_second: NDArray[np.float64]
    """(J, 2) smoothed velocity of the keypoints."""


def start_smoothing(pose: Pose) -> SmoothedPose:
    """The state after the first measurement, which is taken as it is."""
    return SmoothedPose(pose, np.zeros(pose.keypoints_px.shape))


def smooth(
    last: SmoothedPose, measured: Pose, elapsed_seconds: float, settings: SmoothingSettings
) -> SmoothedPose:
    """The state after another measurement; its confidence and score pass unchanged.

    If no time has passed the keypoints stay: a filter cannot follow without time.
    """
    if elapsed_seconds <= 0:
        return replace(last, pose=replace(measured, keypoints_px=last.pose.keypoints_px))
    step_px = (measured.keypoints_px - last.pose.keypoints_px).astype(np.float64)
    share = _new_share(np.array(settings.speed_cutoff_hz), elapsed_seconds)
    velocity = last.velocity_px_per_second
    velocity = velocity + share * (step_px / elapsed_seconds - velocity)
    scale_px = max(1.0, float(np.sqrt(pose_area_px2(measured.keypoints_px[None])[0])))
    speed = np.linalg.norm(velocity, axis=1) / scale_px
    cutoff_hz = settings.min_cutoff_hz + settings.cutoff_hz_per_scale_per_second * speed
    moved_px = step_px * _new_share(cutoff_hz, elapsed_seconds)[:, None]
    keypoints_px = (last.pose.keypoints_px + moved_px).astype(np.float32)
    return SmoothedPose(replace(measured, keypoints_px=keypoints_px), velocity)


def _new_share(cutoff_hz: NDArray[np.float64], elapsed_seconds: float) -> NDArray[np.float64]:
    """Weight of the new value in a first-order low-pass filter (alpha of the paper, equation 3)."""
    share: NDArray[np.float64] = 1 / (1 + 1 / (2 * pi * cutoff_hz * elapsed_seconds))
    return share
