"""Which pose continues which track: strong poses before weak ones, known people first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.pose import Pose
from stream.skeleton import Skeleton
from stream.tracking.assignment import match
from stream.tracking.motion import PoseMotion
from stream.tracking.settings import TrackerSettings
from stream.tracking.similarity import similarity_and_overlap


@dataclass(frozen=True, slots=True)
class Candidate:
    """A track that may go on in a frame."""

    motion: PoseMotion
    """Predicted for the frame."""
    live: bool
    """Seen in the frame before."""
    known: bool
    """It has an id."""


def associate(
    tracks: Sequence[Candidate],
    poses: Sequence[Pose],
    settings: TrackerSettings,
    skeleton: Skeleton,
) -> dict[int, int]:
    """Number of the track by number of the pose, for poses that continue a track.

    A weak pose is often a half-hidden person, but also often a ghost: it only continues a track
    that was seen in the frame before (ByteTrack, algorithm 1). People seen in the frame before come
    before those who were lost: where a lost one may be by now is vague, which makes it alike to
    many. Tracks without an id take what is left: a double must not take the pose from the person it
    doubles.

    Args:
        tracks: all of them.
        poses: of the frame.
        settings: scores and gates.
        skeleton: of all poses.
    """
    similarity, overlap = similarity_and_overlap(
        [track.motion.pose for track in tracks],
        poses,
        np.array([track.motion.drift_px for track in tracks], np.float32),
        skeleton,
    )
    strong = np.array([pose.score >= settings.start_score for pose in poses], bool)
    known = np.array([track.known for track in tracks], bool)
    live = np.array([track.live for track in tracks], bool)
    free_rows, free_columns = np.ones(len(tracks), bool), np.ones(len(poses), bool)
    found: dict[int, int] = {}
    for rows, columns, values, gate in (
        (known & live, strong, similarity, settings.min_similarity),
        (known & live, ~strong, similarity, settings.min_similarity_weak),
        (known & ~live, strong, similarity, settings.min_similarity),
        (known & live, strong, overlap, settings.min_overlap),
        (~known, strong, similarity, settings.min_similarity),
        (~known & live, ~strong, similarity, settings.min_similarity_weak),
    ):
        here, there = rows & free_rows, columns & free_columns
        if not (np.count_nonzero(here) and np.count_nonzero(there)):
            continue
        left = np.where(here[:, None] & there, values, 0)
        if not np.count_nonzero(left >= gate):
            continue
        pairs = match(left, gate).pairs
        found |= {pose: track for track, pose in pairs}
        free_rows[[track for track, _ in pairs]] = False
        free_columns[[pose for _, pose in pairs]] = False
    return found
