"""Which pose continues which track: strong poses first, to all tracks; then weak ones. Pure."""

from collections.abc import Sequence

import numpy as np

from stream.pose import Pose
from stream.skeleton import Skeleton
from stream.tracking.assignment import match
from stream.tracking.motion import PoseMotion
from stream.tracking.settings import TrackerSettings
from stream.tracking.similarity import pose_similarity


def associate(
    motions: Sequence[PoseMotion],
    live: Sequence[bool],
    poses: Sequence[Pose],
    settings: TrackerSettings,
    skeleton: Skeleton,
) -> dict[int, int]:
    """Number of the track by number of the pose, for poses that continue a track.

    A weak pose is often a half-hidden person, but also often a ghost: it only continues a track
    that was seen in the frame before (ByteTrack, algorithm 1).

    Args:
        motions: of all tracks, predicted for the frame.
        live: of all tracks, whether seen in the frame before.
        poses: of the frame.
        settings: scores and gates.
        skeleton: of all poses.
    """
    similarity = pose_similarity(
        [motion.pose for motion in motions],
        poses,
        np.array([motion.drift_px for motion in motions], np.float32),
        skeleton,
    )
    strong = np.array([pose.score >= settings.start_score for pose in poses], bool)
    first = match(np.where(strong, similarity, 0), settings.min_similarity)
    free = np.array(live, bool)
    free[[row for row, _ in first.pairs]] = False
    weak = np.where(free[:, None] & ~strong, similarity, 0)
    second = match(weak, settings.min_similarity_weak)
    return {pose: track for track, pose in (*first.pairs, *second.pairs)}
