"""How alike poses of two times are: OKS where joints are sure, boxes where not. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.oks import object_keypoint_similarity, pose_area_px2
from stream.pose import Pose
from stream.skeleton import Skeleton

Floats = NDArray[np.float32]

SURE_JOINT_CONFIDENCE = 0.3
JOINTS_FOR_OKS = 6
"""With so many joints sure in both poses OKS decides alone."""


def pose_similarity(
    tracks: Sequence[Pose], poses: Sequence[Pose], drift_px: Floats, skeleton: Skeleton
) -> Floats:
    """(N, M) similarity in [0, 1] of predicted poses of N tracks to M poses of a frame.

    A joint counts in OKS by the product of its two confidences. The fewer joints are sure in both
    poses, the more the overlap of the boxes counts instead.

    Args:
        tracks: predicted for the frame's time.
        poses: measured.
        drift_px: (N,) standard deviation of the predicted places; widens the tolerance of OKS.
        skeleton: of all poses.
    """
    if not tracks or not poses:
        return np.zeros((len(tracks), len(poses)), np.float32)
    share = _sure_share(_confidences(tracks), _confidences(poses))
    oks = _weighted_oks(tracks, poses, drift_px, skeleton.sigmas)
    similarity: Floats = share * oks + (1 - share) * box_overlap(_boxes(tracks), _boxes(poses))
    return similarity


def box_similarity(tracks: Sequence[Pose], poses: Sequence[Pose]) -> Floats:
    """(N, M) overlap of the boxes around the joints of predicted and of measured poses."""
    if not tracks or not poses:
        return np.zeros((len(tracks), len(poses)), np.float32)
    return box_overlap(_boxes(tracks), _boxes(poses))


def box_overlap(first_px: Floats, second_px: Floats) -> Floats:
    """(N, M) intersection over union of boxes (N, 4), (M, 4) as x, y, w, h; 0 without extent."""
    low = np.maximum(first_px[:, None, :2], second_px[None, :, :2])
    first_end, second_end = (box[:, :2] + box[:, 2:] for box in (first_px, second_px))
    sides = np.maximum(np.minimum(first_end[:, None], second_end[None]) - low, 0)
    common = sides.prod(-1)
    union = first_px[:, None, 2:].prod(-1) + second_px[None, :, 2:].prod(-1) - common
    overlap: Floats = (common / np.maximum(union, 1e-6)).astype(np.float32)
    return overlap


def _weighted_oks(
    tracks: Sequence[Pose], poses: Sequence[Pose], drift_px: Floats, sigmas: Floats
) -> Floats:
    """(N, M) OKS with the mean area of both poses."""
    confidence, keypoints_px = _confidences(poses), _keypoints(poses)
    area_px2 = pose_area_px2(keypoints_px)
    # A place known to +-drift adds drift^2 to s^2 k^2 of OKS, as a sum of independent errors.
    slack_px2 = drift_px**2 / np.mean((2 * sigmas) ** 2)
    rows = [
        object_keypoint_similarity(
            keypoints_px,
            track.keypoints_px[None],
            confidence * track.confidence,
            (area_px2 + pose_area_px2(track.keypoints_px[None])) / 2 + slack,
            sigmas,
        )[:, 0]
        for track, slack in zip(tracks, slack_px2, strict=True)
    ]
    return np.stack(rows)


def _sure_share(first: Floats, second: Floats) -> Floats:
    """(N, M) in [0, 1]: how far the joints sure in both suffice for OKS."""
    sure = [(conf >= SURE_JOINT_CONFIDENCE).astype(np.float32) for conf in (first, second)]
    share: Floats = np.minimum(sure[0] @ sure[1].T / JOINTS_FOR_OKS, 1)
    return share


def _keypoints(poses: Sequence[Pose]) -> Floats:
    return np.stack([pose.keypoints_px for pose in poses])


def _confidences(poses: Sequence[Pose]) -> Floats:
    return np.stack([pose.confidence for pose in poses])


def _boxes(poses: Sequence[Pose]) -> Floats:
    return np.array([pose.box_px(SURE_JOINT_CONFIDENCE) for pose in poses], np.float32)
