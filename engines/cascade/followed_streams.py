"""Which frames are searched for people, and who is believed to be in the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.cascade.first_stage import PeopleSoFar, SearchMemory, pose_table
from engines.cascade.pose_boxes import margins_of, person_boxes
from stream.frame import Frame
from stream.pose import Pose
from stream.tracking.carrying import CarriedPeople

LONGEST_CARRY_SECONDS = 0.5
"""After a longer gap people are searched anew: by then they are somewhere else."""
DOUBTFUL_SHARE = np.float32(0.7)
"""Whose score falls below this share of what it was when searched is not followed blindly."""
MOST_STREAMS = 1024
"""Streams that are followed at a time; beyond, the one that was silent for longest is forgotten."""


@dataclass(frozen=True, slots=True, eq=False)
class _Followed:
    """A stream after a frame."""

    epoch: int
    index: int
    since_search: int
    """Frames since the last search, 0 for the searched one; more after the first: see the phase."""
    people: CarriedPeople
    memory: SearchMemory


class FollowedStreams:
    """What is known of the streams' last frames. A copy is cheap: what it holds never changes.

    Streams that begin together, or come back together, would also be searched together ever after.
    So the second search of each comes sooner than the others, by its phase.

    Args:
        detect_every: frames from one search to the next.
    """

    def __init__(self, detect_every: int) -> None:
        self._every = detect_every
        self._streams: dict[str, _Followed] = {}

    def copy(self) -> "FollowedStreams":
        """The same knowledge, to go on from without changing it."""
        twin = FollowedStreams(self._every)
        twin._streams = dict(self._streams)
        return twin

    def is_due(self, frame: Frame) -> bool:
        """Whether the frame is to be searched; what rides with it does not matter."""
        known = self._still_known(frame)
        return known is None or known.since_search + 1 >= self._every

    def carried(self, frame: Frame) -> PeopleSoFar:
        """Who is believed to be in a frame that is not due."""
        known = self._streams[frame.stream]
        people = known.people
        poses = pose_table(people.poses_at(frame.pts_seconds))
        size = frame.picture.width, frame.picture.height
        boxes = person_boxes(poses, *size, known.memory.margins)
        return PeopleSoFar(boxes, np.array(people.box_scores, np.float32), memory=known.memory)

    def follow(self, frame: Frame, found: PeopleSoFar, poses: Sequence[Pose]) -> None:
        """The people that were found in the frame, also as poses."""
        since_search = self._since_search(frame)
        known = self._streams.pop(frame.stream, None)
        unbroken = known is not None and known.epoch == frame.epoch and known.index < frame.index
        before = known.people if known and unbroken else CarriedPeople(frame.pts_seconds)
        people = before.seen(poses, found.box_scores.tolist(), frame.pts_seconds)
        memory = found.memory or SearchMemory(margins_of(found.boxes_px, found.poses), found.scores)
        if (found.scores < memory.scores * DOUBTFUL_SHARE).any():
            since_search = self._every  # somebody is being lost: the next frame is searched
        now = _Followed(frame.epoch, frame.index, since_search, people, memory)
        self._streams[frame.stream] = now  # at the end: the most recent one
        if len(self._streams) > MOST_STREAMS:
            del self._streams[next(iter(self._streams))]

    def _still_known(self, frame: Frame) -> _Followed | None:
        """The stream's last frame, if people of it can be carried to this one."""
        known = self._streams.get(frame.stream)
        if known is None or known.epoch != frame.epoch or frame.index <= known.index:
            return None
        gap_seconds = frame.pts_seconds - known.people.pts_seconds
        return known if 0 <= gap_seconds <= LONGEST_CARRY_SECONDS else None

    def _since_search(self, frame: Frame) -> int:
        known = self._still_known(frame)
        if known is None:
            return search_phase(frame.stream, self._every)
        return 0 if self.is_due(frame) else known.since_search + 1


def search_phase(stream: str, detect_every: int) -> int:
    """By how many frames the second search comes sooner: 0 to `detect_every` - 1.

    The name alone decides, so that other streams never change what this one gets. Names that count
    up (cam1, cam2) have phases that count up: their searches take turns.
    """
    return sum(map(ord, stream)) % detect_every
