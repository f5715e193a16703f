"""Gives every person an id that stays: two-pass association as in ByteTrack, on skeletons.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022.
Instead of boxes, poses are compared by OKS (`similarity.py`); instead of frames, motion, patience
and smoothing count in seconds of the stream, so every frame rate gives the same behaviour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from stream.errors import PoseError
from stream.pose import FramePoses, Pose, TrackedPose
from stream.skeleton import COCO_17, Skeleton
from stream.tracking.association import Candidate, associate
from stream.tracking.motion import PoseMotion, correct_motions, predict_motions, start_motion
from stream.tracking.settings import TrackerSettings
from stream.tracking.similarity import pose_similarity
from stream.tracking.smoothing import SmoothedPose, smooth, start_smoothing


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A person over time."""

    number: int | None
    """The id; None as long as the track is tentative."""
    hits: int
    """Frames in which it was seen."""
    born_seconds: float
    """Time of the tracker when it was first seen."""
    seen_seconds: float
    """Time of the tracker when it was last seen."""
    measured: Pose
    """As last seen."""
    motion: PoseMotion
    smoothed: SmoothedPose | None
    """None if nothing is smoothed."""

    @property
    def shown(self) -> Pose:
        """What leaves the tracker of a track that was just seen."""
        return self.measured if self.smoothed is None else self.smoothed.pose

    def waiting(self, motion: PoseMotion) -> "Track":
        """After a frame in which it was not seen."""
        return replace(self, motion=motion)


class Tracker:
    """Ids of one epoch of one stream, counted from 1, never used twice.

    Frames must come in order. Time is that of the frames; one that goes back counts as no time.
    """

    def __init__(
        self, settings: TrackerSettings | None = None, skeleton: Skeleton = COCO_17
    ) -> None:
        self._settings = settings or TrackerSettings()
        self._skeleton = skeleton
        self._tracks: tuple[Track, ...] = ()
        self._numbers = 0
        self._now_seconds = 0.0
        self._pts_seconds: float | None = None
        self._epoch: tuple[str, int] | None = None

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks that are held: seen, lost and tentative."""
        return self._tracks

    def update(self, poses: FramePoses, pts_seconds: float) -> tuple[TrackedPose, ...]:
        """The frame's people with their ids, in the order given; an empty frame passes time.

        Left out are weak poses that continue no track, and people that are still tentative.

        Raises:
            PoseError: if the frame is of another stream or epoch, or its time is not finite.
        """
        self._check(poses, pts_seconds)
        elapsed_seconds = self._pass_time(pts_seconds)
        predicted = predict_motions([track.motion for track in self._tracks], elapsed_seconds)
        partners = self._partners(predicted, poses.poses, self._now_seconds - elapsed_seconds)
        seen = self._seen(predicted, poses.poses, partners)
        taken = set(partners.values())
        unseen = [i for i in range(len(self._tracks)) if i not in taken]
        self._keep(seen, [self._tracks[i].waiting(predicted[i]) for i in unseen])
        return tuple(TrackedPose(t.number, t.shown) for t in seen if t.number is not None)

    def _check(self, poses: FramePoses, pts_seconds: float) -> None:
        if not isfinite(pts_seconds):
            raise PoseError(f"frame {poses.index}: its time must be finite, got {pts_seconds}")
        epoch = poses.stream, poses.epoch
        if self._epoch not in (None, epoch):
            raise PoseError(
                f"the tracker of {self._epoch} (stream, epoch) got a frame of {epoch}; "
                "every epoch needs a tracker of its own"
            )
        self._epoch = epoch

    def _pass_time(self, pts_seconds: float) -> float:
        """Moves the tracker's own time, which never goes back; returns the seconds passed."""
        last = pts_seconds if self._pts_seconds is None else self._pts_seconds
        elapsed = max(0.0, pts_seconds - last)
        self._now_seconds += elapsed
        self._pts_seconds = pts_seconds
        return elapsed

    def _partners(
        self, predicted: Sequence[PoseMotion], poses: Sequence[Pose], last_seconds: float
    ) -> dict[int, int]:
        candidates = [
            Candidate(motion, track.seen_seconds >= last_seconds, track.number is not None)
            for motion, track in zip(predicted, self._tracks, strict=True)
        ]
        return associate(candidates, poses, self._settings, self._skeleton)

    def _seen(
        self, predicted: Sequence[PoseMotion], poses: Sequence[Pose], partners: dict[int, int]
    ) -> list[Track]:
        """Tracks that have a pose in this frame, old and new, in the order of the poses."""
        motions = correct_motions(
            [predicted[track] for track in partners.values()], [poses[index] for index in partners]
        )
        corrected = dict(zip(partners, motions, strict=True))
        seen: list[Track] = []
        for index, pose in enumerate(poses):
            if index in partners:
                track = self._tracks[partners[index]]
                seen.append(self._continued(track, pose, corrected[index]))
            elif pose.score >= self._settings.start_score:
                seen.append(self._started(pose))
        beside = self._beside(seen)
        return [
            self._numbered(track, beside=doubtful)
            for track, doubtful in zip(seen, beside, strict=True)
        ]

    def _beside(self, seen: Sequence[Track]) -> list[bool]:
        """Of each track, whether it is new and as near to a known person as a double would be."""
        known = [track.measured for track in seen if track.number is not None]
        if len(known) in (0, len(seen)):
            return [False] * len(seen)
        alike = pose_similarity(
            [track.measured for track in seen], known, np.zeros(len(seen), np.float32),
            self._skeleton,
        ).max(1)  # fmt: skip
        return [
            track.number is None and value >= self._settings.beside_similarity
            for track, value in zip(seen, alike, strict=True)
        ]

    def _started(self, pose: Pose) -> Track:
        smoothed = start_smoothing(pose) if self._settings.smoothing else None
        now = self._now_seconds
        return Track(None, 1, now, now, pose, start_motion(pose), smoothed)

    def _continued(self, track: Track, pose: Pose, motion: PoseMotion) -> Track:
        smoothed = track.smoothed
        if smoothed is not None and self._settings.smoothing is not None:
            elapsed_seconds = self._now_seconds - track.seen_seconds
            smoothed = smooth(smoothed, pose, elapsed_seconds, self._settings.smoothing)
        return Track(
            track.number,
            track.hits + 1,
            track.born_seconds,
            self._now_seconds,
            pose,
            motion,
            smoothed,
        )

    def _numbered(self, track: Track, *, beside: bool) -> Track:
        """With its id, if the track is confirmed by now."""
        settings = self._settings
        sure = track.measured.score >= settings.confirm_score or track.hits >= settings.confirm_hits
        if beside:
            sure = self._now_seconds - track.born_seconds >= settings.beside_seconds
        if track.number is not None or not sure:
            return track
        self._numbers += 1
        return replace(track, number=self._numbers)

    def _keep(self, seen: list[Track], unseen: list[Track]) -> None:
        """Gives up tentative tracks at once, others when their time is over or too many wait."""
        oldest_seconds = self._now_seconds - self._settings.lost_seconds
        lost = [t for t in unseen if t.number is not None and t.seen_seconds >= oldest_seconds]
        lost.sort(key=lambda track: -track.seen_seconds)
        self._tracks = tuple((seen + lost)[: self._settings.max_tracks])
