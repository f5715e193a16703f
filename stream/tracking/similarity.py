"""How alike poses of two times are: OKS where joints are sure, boxes where not. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.oks import pose_area_px2
from stream.pose import Pose
from stream.skeleton import Skeleton

Floats = NDArray[np.float32]

SURE_JOINT_CONFIDENCE = 0.3
JOINTS_FOR_OKS = 6
"""With so many joints sure in both poses OKS decides alone."""


LEAST_JOINTS = 3
"""With fewer sure, a box lies around all joints."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseTable:
    """Poses one below another."""

    keypoints_px: Floats
    """(N, J, 2)"""
    confidence: Floats
    """(N, J)"""
    boxes_px: Floats
    """(N, 4) x, y, w, h around the sure joints; see `Pose.box_px`."""
    area_px2: Floats
    """(N,)"""


def tabulated(poses: Sequence[Pose]) -> PoseTable:
    """At least one pose, all of the same skeleton."""
    keypoints_px = np.array([pose.keypoints_px for pose in poses])
    confidence = np.array([pose.confidence for pose in poses])
    boxes_px = _boxes(keypoints_px, confidence)
    return PoseTable(keypoints_px, confidence, boxes_px, pose_area_px2(keypoints_px))


def pose_similarity(
    tracks: Sequence[Pose], poses: Sequence[Pose], drift_px: Floats, skeleton: Skeleton
) -> Floats:
    """(N, M) similarity in [0, 1] of predicted poses of N tracks to M poses of a frame.

    See `similarity_and_overlap`, which also gives the overlap of their boxes.
    """
    return similarity_and_overlap(tracks, poses, drift_px, skeleton)[0]


def similarity_and_overlap(
    tracks: Sequence[Pose], poses: Sequence[Pose], drift_px: Floats, skeleton: Skeleton
) -> tuple[Floats, Floats]:
    """(N, M) similarity in [0, 1] of poses of tracks and of a frame, and overlap of their boxes.

    A joint counts in OKS by the product of its two confidences. The fewer joints are sure in both
    poses, the more the overlap of the boxes counts instead.

    Args:
        tracks: predicted for the frame's time.
        poses: measured.
        drift_px: (N,) standard deviation of the predicted places; widens the tolerance of OKS.
        skeleton: of all poses.
    """
    if not tracks or not poses:
        nobody = np.zeros((len(tracks), len(poses)), np.float32)
        return nobody, nobody
    first, second = tabulated(tracks), tabulated(poses)
    share = _sure_share(first.confidence, second.confidence)
    overlap = box_overlap(first.boxes_px, second.boxes_px)
    oks = _weighted_oks(first, second, drift_px, skeleton.sigmas)
    similarity: Floats = share * oks + (1 - share) * overlap
    return similarity, overlap


def box_overlap(first_px: Floats, second_px: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4), (M, 4) as x, y, w, h; 0 without extent."""
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    first_end, second_end = (box[:, :2] + box[:, 2:] for box in (first_px, second_px))
    sides = np.maximum(np.minimum(first_end[:, None], second_end[None]) - low, 0)
    common = sides.prod(-1)
    union = first_px[:, None, 2:].prod(-1) + second_px[None, :, 2:].prod(-1) - common
    overlap: Floats = (common / np.maximum(union, 1e-6)).astype(np.float32)
    return overlap


def _weighted_oks(tracks: PoseTable, poses: PoseTable, drift_px: Floats, sigmas: Floats) -> Floats:
    """(N, M) OKS (`stream/oks.py`) with weights and the mean area of both poses."""
    weights = tracks.confidence[:, None] * poses.confidence  # (N, M, J)
    # A place known to +-drift adds drift^2 to s^2 k^2 of OKS, as a sum of independent errors.
    slack_px2 = drift_px**2 / np.mean((2 * sigmas) ** 2)
    area_px2 = (tracks.area_px2[:, None] + poses.area_px2) / 2 + slack_px2[:, None]  # (N, M)
    steps2_px2 = (tracks.keypoints_px[:, None] - poses.keypoints_px) ** 2
    distance2 = steps2_px2[..., 0] + steps2_px2[..., 1]  # (N, M, J)
    scale = 2 * np.maximum(area_px2, 1e-6)[..., None] * (2 * sigmas) ** 2
    similar = (np.exp(-distance2 / scale) * weights).sum(-1)
    oks: Floats = (similar / np.maximum(weights.sum(-1), 1e-9)).astype(np.float32)
    return oks


def _sure_share(first: Floats, second: Floats) -> Floats:
    """(N, M) in [0, 1]: how far the joints sure in both suffice for OKS."""
    sure = [(conf >= SURE_JOINT_CONFIDENCE).astype(np.float32) for conf in (first, second)]
    share: Floats = np.minimum(sure[0] @ sure[1].T / JOINTS_FOR_OKS, 1)
    return share


def _boxes(keypoints_px: Floats, confidence: Floats) -> Floats:
    """(N, 4), as `Pose.box_px` of each."""
    sure = confidence >= SURE_JOINT_CONFIDENCE
    sure |= sure.sum(1, keepdims=True) < LEAST_JOINTS
    low = np.where(sure[..., None], keypoints_px, np.float32(np.inf)).min(1)
    high = np.where(sure[..., None], keypoints_px, np.float32(-np.inf)).max(1)
    return np.concatenate([low, high - low], -1)
