"""Who is who in a clip: the teacher's people, linked where that is beyond doubt, joined by eye.

A *tracklet* is one person from frame to frame as long as nobody else could be meant: it overlaps
one person of the next frame far more than any other. Where people meet, it ends. Points seen by eye
(`true_people.json`) say which tracklets are the same person: whoever is nearest to a point in
its frame. Tracklets without a point are left out: nobody can say who switched there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.people import People

Floats = NDArray[np.float32]
Point = tuple[int, float, float]
"""Frame, x, y in source pixels."""

MIN_SCORE = 0.4
"""Weaker people of the teacher are not followed."""
MIN_OVERLAP = 0.3
CLEAR_RATIO = 1.3
"""A person is meant if everybody else overlaps less by this factor, seen from both sides."""
MOST_MISSING = 10
"""Frames in which the teacher may miss a person who is followed."""
SPEED_FRAMES = 8
"""Over which the speed of a person is taken."""
LEAST_FRAMES = 10
"""Shorter tracklets are nobody's: most are doubles and ghosts of a few frames."""
NEAR_PX = 40.0
"""So far a point may be from the middle of the person."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A person of the teacher in a frame."""

    frame: int
    keypoints: Floats
    """(17, 3) x, y, confidence."""
    box: Floats
    """(4,) left, top, right, bottom around the joints."""

    @property
    def middle(self) -> Floats:
        """(2,) of the box."""
        middle: Floats = (self.box[:2] + self.box[2:]) / np.float32(2)
        return middle


Tracklet = list[Seen]


def tracklets(frames: Sequence[People], least_frames: int = LEAST_FRAMES) -> list[Tracklet]:
    """Those of `least_frames` and more, in the order in which they begin."""
    begun: list[Tracklet] = []
    followed: list[Tracklet] = []
    for number, (keypoints, scores) in enumerate(frames):
        people = [Seen(number, one, box_of(one)) for one in keypoints[scores >= MIN_SCORE]]
        fresh = [one for one in followed if number - one[-1].frame <= MOST_MISSING]
        shares = overlaps([expected(one, number) for one in fresh], [one.box for one in people])
        links = clear_links(shares)
        for tracklet, person in links.items():
            fresh[tracklet].append(people[person])
        new = [[one] for place, one in enumerate(people) if place not in links.values()]
        begun += new
        unclear = {row for row in range(len(fresh)) if row not in links and _met(shares[row])}
        followed = [one for row, one in enumerate(fresh) if row not in unclear] + new
    return [one for one in begun if len(one) >= least_frames]


def expected(tracklet: Tracklet, frame: int) -> Floats:
    """(4,) the box of a person who goes on as before."""
    last, before = tracklet[-1], tracklet[-min(SPEED_FRAMES, len(tracklet))]
    speed = (last.middle - before.middle) / np.float32(max(1, last.frame - before.frame))
    box: Floats = last.box + np.tile(speed * np.float32(frame - last.frame), 2)
    return box


def box_of(keypoints: Floats) -> Floats:
    """(4,) left, top, right, bottom around (17, 3) joints."""
    points = keypoints[:, :2]
    box: Floats = np.concatenate([points.min(0), points.max(0)])
    return box


def overlaps(first: Sequence[Floats], second: Sequence[Floats]) -> Floats:
    """(N, M) intersection over union of boxes given by their edges."""
    if not first or not second:
        return np.zeros((len(first), len(second)), np.float32)
    one, other = np.stack(first)[:, None], np.stack(second)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    common = np.maximum(sides, 0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (one, other)]
    shares: Floats = common / np.maximum(areas[0] + areas[1] - common, 1e-6)
    return shares


def clear_links(shares: Floats) -> dict[int, int]:
    """Row to column of (N, M) overlaps where each is the other's best, and by far."""
    found = {}
    for row, column in enumerate(shares.argmax(1) if shares.size else ()):
        others = max(
            np.delete(shares[row], column).max(initial=0),
            np.delete(shares[:, column], row).max(initial=0),
        )
        if shares[row, column] >= max(MIN_OVERLAP, CLEAR_RATIO * others):
            found[row] = int(column)
    return found


def _met(shares: Floats) -> bool:
    """Whether somebody is there who could be meant."""
    return bool((shares >= MIN_OVERLAP).any())


def named(found: Sequence[Tracklet], people: Sequence[Sequence[Point]]) -> dict[int, list[Seen]]:
    """Person to what was seen of it; a person is a number in `people`, its points say who it is.

    Raises:
        ValueError: if a point lies at nobody, or a tracklet is at the points of two people.
    """
    whose: dict[int, int] = {}
    for person, points in enumerate(people):
        for point in points:
            number = _nearest(found, point)
            if whose.setdefault(number, person) != person:
                raise ValueError(f"{point} of person {person} is at person {whose[number]}, too")
    joined: dict[int, list[Seen]] = {person: [] for person in range(len(people))}
    for number, person in whose.items():
        joined[person] += found[number]
    return joined


def _nearest(found: Sequence[Tracklet], point: Point) -> int:
    frame, *place = point
    near = [
        (float(np.linalg.norm(seen.middle - place)), number)
        for number, tracklet in enumerate(found)
        for seen in tracklet
        if seen.frame == frame
    ]
    distance, number = min(near, default=(np.inf, -1))
    if distance > NEAR_PX:
        raise ValueError(f"nobody at {point}: the nearest is {distance:.0f} px away")
    return number
