"""The people of every frame of a clip, found once and kept in a file."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.people import People
from stream.clock import SystemClock
from stream.ingest.open_source import open_source
from stream.picture import Picture

WEAKEST = 0.02
"""Weaker people are not kept."""
FindPeople = Callable[[Picture], People]


@dataclass(frozen=True, slots=True, eq=False)
class ClipPoses:
    """All frames in order."""

    seconds: NDArray[np.float64]
    """(F,) time of each frame."""
    people: tuple[People, ...]
    """Of each frame; in source pixels."""


def find_in_clip(clip: Path, find: FindPeople) -> ClipPoses:
    """Shows every frame, each by itself."""
    seconds, people = [], []
    with closing(open_source(str(clip), stream=clip.stem, clock=SystemClock())) as source:
        for frame in source.frames():
            keypoints, scores = find(frame.picture)
            strong = scores >= WEAKEST
            seconds.append(frame.pts_seconds)
            people.append((keypoints[strong].astype(np.float32), scores[strong]))
    return ClipPoses(np.array(seconds), tuple(people))


def keep(poses: ClipPoses, path: Path) -> None:
    """Writes a compressed file of arrays."""
    np.savez_compressed(
        path,
        seconds=poses.seconds,
        counts=np.array([len(scores) for _, scores in poses.people]),
        keypoints=np.concatenate([keypoints for keypoints, _ in poses.people]),
        scores=np.concatenate([scores for _, scores in poses.people]),
    )


def read_kept(path: Path) -> ClipPoses:
    """What `keep` wrote."""
    with np.load(path) as arrays:
        ends = np.cumsum(arrays["counts"])[:-1]
        people = zip(
            np.split(arrays["keypoints"], ends), np.split(arrays["scores"], ends), strict=True
        )
        return ClipPoses(arrays["seconds"], tuple(people))
