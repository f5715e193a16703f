"""People as `posestream run` reports them: what a user gets, tracking included."""

from pathlib import Path

import numpy as np

from builders.evaluation.clip_recall import ClipRecall, read_teacher, score_clip
from builders.evaluation.people import People
from stream.skeleton import COCO_17
from stream.wire import ResultLine, decode_lines


def people_of_results(path: Path) -> dict[int, People]:
    """The people of each frame of a JSONL file of results, by frame index.

    Raises:
        PoseError: naming the line that is no result.
    """
    with path.open(encoding="utf-8") as lines:
        return {line.frame: _people(line) for line in decode_lines(lines)}


def recall_of_results(results: Path, teacher: Path, left_out: frozenset[int]) -> ClipRecall:
    """Scores the results of a run against a `video_pseudo` JSON.

    Args:
        results: JSONL of the whole clip.
        teacher: the teacher's frames.
        left_out: annotated frames that do not count.
    """
    frames = tuple(frame for frame in read_teacher(teacher) if frame.index not in left_out)
    return score_clip(people_of_results(results), frames)


def _people(line: ResultLine) -> People:
    if not line.poses:
        return np.zeros((0, len(COCO_17.joints), 3), np.float32), np.zeros(0, np.float32)
    keypoints = np.array([pose.keypoints for pose in line.poses], np.float32)
    return keypoints, np.array([pose.score for pose in line.poses], np.float32)
