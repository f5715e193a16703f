"""How many of a teacher's people a system finds in a clip, and how often it sees ghosts."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from builders.evaluation.people import Floats, People, PredictPicture
from stream.clock import SystemClock
from stream.errors import ConfigError
from stream.ingest.open_source import open_source
from stream.oks import object_keypoint_similarity
from stream.picture import Picture
from stream.skeleton import COCO_17

MASK_SHARE_OF_BOX = 0.53
"""Mean ratio of person mask to box in COCO."""
MIN_PERSON_SCORE = 0.5
"""Teacher people below are not asked for (finding them is not wrong either)."""
MIN_JOINT_SCORE = 0.3
"""Teacher joints below do not count in OKS."""
MIN_OKS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TeacherFrame:
    """What the teacher saw in one decoded frame, in pixels of the upright frame."""

    index: int
    """Among the decoded frames, from 0."""
    keypoints: Floats
    """(N, 17, 3) x, y, score."""
    boxes_px: Floats
    """(N, 4) x, y, w, h."""
    scores: Floats
    """(N,)"""


@dataclass(frozen=True, slots=True)
class ClipRecall:
    """Counts over the annotated frames of a clip."""

    frames: int
    people: int
    """Teacher people asked for: score >= 0.5 and a joint with score >= 0.3."""
    found: int
    """Those with a person of ours at OKS >= 0.5, one to one."""
    empty_frames: int
    """Frames in which the teacher saw nobody at any score."""
    false_frames: int
    """Empty frames in which we report a person."""

    def figures(self) -> dict[str, float]:
        """Counts with `recall` and `false_frame_share`; a share of nothing is left out."""
        counts: dict[str, float] = {name: getattr(self, name) for name in self.__slots__}
        if self.people:
            counts["recall"] = self.found / self.people
        if self.empty_frames:
            counts["false_frame_share"] = self.false_frames / self.empty_frames
        return counts


def read_teacher(path: Path) -> tuple[TeacherFrame, ...]:
    """The frames of a `video_pseudo` JSON, in order."""
    frames = json.loads(path.read_text(encoding="utf-8"))["frames"]
    return tuple(_teacher_frame(frame) for frame in sorted(frames, key=lambda f: int(f["frame"])))


def evaluate_clip(
    predict: PredictPicture, clip: Path, teacher: tuple[TeacherFrame, ...], min_score: float = 0.0
) -> ClipRecall:
    """Runs `predict` on exactly the annotated frames of the clip and scores it.

    Raises:
        ConfigError: if the clip ends before the last annotated frame.
    """
    return score_clip(find_people(predict, clip, teacher), teacher, min_score)


def find_people(
    predict: PredictPicture, clip: Path, teacher: tuple[TeacherFrame, ...]
) -> dict[int, People]:
    """People of each annotated frame of the clip, by frame index.

    Raises:
        ConfigError: if the clip ends before the last annotated frame.
    """
    wanted = {frame.index for frame in teacher}
    found = {index: predict(picture) for index, picture in _pictures(clip, wanted)}
    if missing := wanted - found.keys():
        raise ConfigError(
            f"clip {clip.name} has no decoded frame {min(missing)}: labels of another"
        )
    return found


def score_clip(
    found: Mapping[int, People], teacher: tuple[TeacherFrame, ...], min_score: float = 0.0
) -> ClipRecall:
    """Compares the people found, of those with `min_score`, with the teacher's. Pure."""
    people = hits = empty = false = 0
    for frame in teacher:
        keypoints, scores = found[frame.index]
        ours = keypoints[scores >= min_score]
        similarity = _similarity(frame, ours)
        people += len(similarity)
        hits += _matched(similarity >= MIN_OKS)
        empty += not len(frame.scores)
        false += bool(not len(frame.scores) and len(ours))
    return ClipRecall(len(teacher), people, hits, empty, false)


def _similarity(frame: TeacherFrame, ours: Floats) -> Floats:
    """(people asked for, ours) OKS, scaled by the teacher's box."""
    weights = (frame.keypoints[..., 2] >= MIN_JOINT_SCORE).astype(np.float32)
    asked = (frame.scores >= MIN_PERSON_SCORE) & weights.any(-1)
    area_px2 = MASK_SHARE_OF_BOX * frame.boxes_px[asked, 2] * frame.boxes_px[asked, 3]
    return object_keypoint_similarity(
        frame.keypoints[asked, :, :2], ours[..., :2], weights[asked], area_px2, COCO_17.sigmas
    )


def _matched(alike: NDArray[np.bool_]) -> int:
    """Size of the largest one-to-one matching."""
    rows, columns = linear_sum_assignment(alike, maximize=True)
    return int(alike[rows, columns].sum())


def _teacher_frame(frame: dict[str, Any]) -> TeacherFrame:
    persons = frame["persons"]

    def column(name: str, *shape: int) -> Floats:
        return np.array([p[name] for p in persons], np.float32).reshape(len(persons), *shape)

    return TeacherFrame(
        int(frame["frame"]), column("keypoints", 17, 3), column("bbox", 4), column("score")
    )


def _pictures(clip: Path, wanted: set[int]) -> Iterator[tuple[int, Picture]]:
    """The wanted decoded frames, counted from 0."""
    with closing(open_source(str(clip), stream=clip.stem, clock=SystemClock())) as source:
        for index, frame in enumerate(source.frames()):
            if index > max(wanted):
                return
            if index in wanted:
                yield index, frame.picture
