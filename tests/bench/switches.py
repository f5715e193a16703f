"""How often a person gets another id; pure.

CLEAR MOT (Bernardin and Stiefelhagen, 2008): a person keeps the track it is matched with as long
as the two are alike enough, the others are matched anew, one to one; a switch is a match with
another track than the last one of that person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float32]

MIN_OKS = 0.3
"""Above it a track is at that person."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameIds:
    """The true people and the tracks of a frame."""

    people: tuple[int, ...]
    tracks: tuple[int, ...]
    alike: Floats
    """(people, tracks) OKS."""


@dataclass(frozen=True, slots=True)
class IdCounts:
    """Over a clip."""

    seconds: float
    people: int
    """Different ones."""
    present: int
    """People of all frames."""
    matched: int
    """Those of them who had a track."""
    followed_seconds: float
    """Of all people, with a track."""
    switches: int
    tracks: int
    """Ids that were matched with anybody."""

    def figures(self) -> dict[str, float]:
        """With the rates that can be compared."""
        return {
            "seconds": round(self.seconds, 2),
            "people": self.people,
            "present": self.present,
            "switches": self.switches,
            "tracks": self.tracks,
            "switches a minute": round(60 * self.switches / self.seconds, 2),
            "switches a minute of a person": round(
                60 * self.switches / max(1e-9, self.followed_seconds), 2
            ),
            "people with an id": round(self.matched / max(1, self.present), 4),
            "tracks a person": round(self.tracks / max(1, self.people), 2),
        }


def count_ids(frames: Sequence[FrameIds], seconds: float) -> IdCounts:
    """Follows everybody through the frames of a clip."""
    last: dict[int, int] = {}
    matched = switches = 0
    used: set[int] = set()
    for frame in frames:
        now = matched_tracks(frame, last)
        switches += sum(last.get(person, track) != track for person, track in now.items())
        matched += len(now)
        used.update(now.values())
        last |= now
    everybody = {person for frame in frames for person in frame.people}
    present = sum(len(frame.people) for frame in frames)
    followed = matched * seconds / max(1, len(frames) - 1)
    return IdCounts(seconds, len(everybody), present, matched, followed, switches, len(used))


def matched_tracks(frame: FrameIds, last: Mapping[int, int]) -> dict[int, int]:
    """The track of each person that has one; the one it had stands before all others."""
    worth = np.where(frame.alike >= MIN_OKS, frame.alike, 0.0)
    for row, person in enumerate(frame.people):
        if last.get(person) in frame.tracks:
            worth[row, frame.tracks.index(last[person])] *= 1000
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return {
        frame.people[row]: frame.tracks[column]
        for row, column in zip(rows, columns, strict=True)
        if worth[row, column] > 0
    }
