from pathlib import Path

import numpy as np
import pytest

from builders.evaluation.clip_recall import (
    ClipRecall,
    TeacherFrame,
    find_people,
    read_teacher,
    score_clip,
)
from builders.evaluation.people import Floats, People
from stream.errors import ConfigError
from stream.picture import Picture

NOBODY: People = (np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32))


def person_at(x: float, confidence: float = 0.9) -> Floats:
    grid = np.stack(np.meshgrid(np.arange(5) * 10.0, np.arange(4) * 30.0), -1).reshape(-1, 2)[:17]
    return np.column_stack([grid + np.array([x, 50]), np.full(17, confidence)]).astype(np.float32)


def teacher_frame(index: int, *people: tuple[float, float, float]) -> TeacherFrame:
    """People as (x, person score, joint score)."""
    keypoints = np.array([person_at(x, joint) for x, _, joint in people], np.float32)
    boxes = np.array([[x, 50, 40, 90] for x, _, _ in people], np.float32)
    scores = np.array([score for _, score, _ in people], np.float32)
    return TeacherFrame(index, keypoints.reshape(-1, 17, 3), boxes.reshape(-1, 4), scores)


def ours(*people: tuple[float, float]) -> People:
    keypoints = np.array([person_at(x) for x, _ in people], np.float32).reshape(-1, 17, 3)
    return keypoints, np.array([score for _, score in people], np.float32)


def test_the_teachers_own_people_are_all_found() -> None:
    frames = (teacher_frame(0, (10, 0.9, 0.8), (200, 0.6, 0.8)), teacher_frame(4))
    found = {0: ours((10, 0.5), (200, 0.5)), 4: NOBODY}
    score = score_clip(found, frames)
    assert score == ClipRecall(2, 2, 2, 1, 0)
    assert score.figures()["recall"] == 1
    assert score.figures()["false_frame_share"] == 0


def test_one_person_of_ours_finds_only_one_of_the_teachers() -> None:
    frames = (teacher_frame(0, (10, 0.9, 0.8), (12, 0.9, 0.8)),)
    assert score_clip({0: ours((11, 0.9))}, frames).found == 1


def test_uncertain_people_and_people_without_seen_joints_are_not_asked_for() -> None:
    frames = (teacher_frame(0, (10, 0.4, 0.8), (200, 0.9, 0.2)),)
    assert score_clip({0: NOBODY}, frames) == ClipRecall(1, 0, 0, 0, 0)


def test_a_person_where_the_teacher_saw_nobody_makes_a_false_frame() -> None:
    frames = (teacher_frame(0), teacher_frame(1), teacher_frame(2, (10, 0.4, 0.8)))
    found = {0: ours((10, 0.5)), 1: NOBODY, 2: ours((300, 0.5))}
    score = score_clip(found, frames)
    assert (score.empty_frames, score.false_frames) == (2, 1)
    assert score_clip(found, frames, min_score=0.6).false_frames == 0


def test_shares_of_nothing_are_left_out() -> None:
    figures = ClipRecall(1, 0, 0, 0, 0).figures()
    assert "recall" not in figures
    assert "false_frame_share" not in figures


def test_only_annotated_frames_are_shown(shared_data: Path) -> None:
    name = "store_aisle_480x270_h264"
    teacher = read_teacher(shared_data / f"labelled/video_pseudo/{name}.json")[:3]
    shapes: list[tuple[int, ...]] = []

    def nobody(picture: Picture) -> People:
        shapes.append(picture.y.shape)
        return NOBODY

    found = find_people(nobody, shared_data / f"videos/{name}.mp4", teacher)
    assert list(found) == [0, 4, 8]
    assert shapes == [(270, 480)] * 3


def test_labels_beyond_the_end_of_the_clip_are_refused(shared_data: Path) -> None:
    clip = shared_data / "videos/store_aisle_480x270_h264.mp4"
    with pytest.raises(ConfigError, match="no decoded frame 9999"):
        find_people(lambda _: NOBODY, clip, (teacher_frame(9999),))
