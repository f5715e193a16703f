"""Where people of the last frame are now: what stands for a search for people. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stream.pose import Pose
from stream.skeleton import COCO_17, Skeleton
from stream.tracking.assignment import match
from stream.tracking.motion import PoseMotion, correct_motions, predict_motions, start_motion
from stream.tracking.settings import TrackerSettings
from stream.tracking.similarity import pose_similarity


@dataclass(frozen=True, slots=True, eq=False)
class CarriedPeople:
    """The people of a stream's last frame, and how they move."""

    pts_seconds: float
    motions: tuple[PoseMotion, ...] = ()
    box_scores: tuple[float, ...] = ()
    """Of the searches that found them."""
    skeleton: Skeleton = field(default=COCO_17, repr=False)

    def poses_at(self, pts_seconds: float) -> tuple[Pose, ...]:
        """Where they are believed to be at that time of the stream."""
        return tuple(motion.pose for motion in self._motions_at(pts_seconds))

    def seen(
        self, poses: Sequence[Pose], box_scores: Sequence[float], pts_seconds: float
    ) -> "CarriedPeople":
        """The people of the next frame: those known go on as they moved, others begin."""
        predicted = self._motions_at(pts_seconds)
        drift_px = np.array([motion.drift_px for motion in predicted], np.float32)
        before = [motion.pose for motion in predicted]
        similarity = pose_similarity(before, poses, drift_px, self.skeleton)
        pairs = match(similarity, TrackerSettings().min_similarity).pairs
        gone_on = correct_motions(
            [predicted[row] for row, _ in pairs], [poses[column] for _, column in pairs]
        )
        known = {column: motion for (_, column), motion in zip(pairs, gone_on, strict=True)}
        return CarriedPeople(
            pts_seconds,
            tuple(
                known[index] if index in known else start_motion(pose)
                for index, pose in enumerate(poses)
            ),
            tuple(box_scores),
            self.skeleton,
        )

    def _motions_at(self, pts_seconds: float) -> list[PoseMotion]:
        return predict_motions(self.motions, max(0.0, pts_seconds - self.pts_seconds))
