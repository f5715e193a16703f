"""The people of every frame of a clip, found once and kept in a file."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.labels import labelled_set, read_labels
from builders.evaluation.people import People
from stream.clock import SystemClock
from stream.ingest.open_source import open_source
from stream.picture import Picture, to_rgb
from tests.bench.bench_models import Row, opened

ENGINE = "openvino/bf16"
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


class Clips:
    """The people of every clip by every system; found when asked for first."""

    def __init__(self, shared: Path, kept: Path | None) -> None:
        self._shared, self._kept = shared, kept
        self._labels = read_labels(labelled_set(shared, "coco_kp", "val"))

    def poses(self, clip: str, system: str) -> ClipPoses:
        """The people of every frame."""
        path = self._kept / f"{clip} {Path(system).name}.npz" if self._kept else None
        if path is not None and path.is_file():
            return read_kept(path)
        row = Row(system, ENGINE, 1, "clips")
        with opened(row, self._shared, self._labels) as predict:
            video = self._shared / "videos" / f"{clip}.mp4"
            found = find_in_clip(video, lambda picture: predict(0, to_rgb(picture)))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            keep(found, path)
        return found
