"""People of several frames as one array, for the way between processes; and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.errors import PoseError
from stream.pose import FramePoses, Pose


def to_table(found: Sequence[FramePoses]) -> tuple[bytes, tuple[int, ...], int]:
    """(float32 rows of x, y, confidence per joint and the score; people per frame; joints)."""
    people = [pose for poses in found for pose in poses.poses]
    joints = len(people[0].confidence) if people else 0
    rows = np.empty((len(people), joints * 3 + 1), np.float32)
    for row, pose in zip(rows, people, strict=True):
        points = row[:-1].reshape(joints, 3)
        points[:, :2], points[:, 2] = pose.keypoints_px, pose.confidence
        row[-1] = pose.score
    return rows.tobytes(), tuple(len(poses.poses) for poses in found), joints


def from_table(content: bytes, people: Sequence[int], joints: int) -> list[tuple[Pose, ...]]:
    """The people of each frame.

    Raises:
        PoseError: if the content is of another size, or its numbers make no poses.
    """
    width = joints * 3 + 1
    if len(content) != sum(people) * width * 4:
        raise PoseError(f"{len(content)} bytes are not {sum(people)} people of {joints} joints")
    rows = np.frombuffer(content, np.float32).reshape(-1, width)
    poses = iter([_pose(row, joints) for row in rows])
    return [tuple(next(poses) for _ in range(count)) for count in people]


def _pose(row: NDArray[np.float32], joints: int) -> Pose:
    points = row[:-1].reshape(joints, 3)
    # A score just above 1 is one that lost its last bit on the way.
    return Pose(points[:, :2].copy(), points[:, 2].copy(), min(float(row[-1]), 1.0))
