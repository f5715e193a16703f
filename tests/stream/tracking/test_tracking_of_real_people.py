"""Ids on poses that a network found in real clips; the numbers of people were counted by eye."""

import json
from pathlib import Path

import numpy as np
import pytest

from stream.pose import Pose, TrackedPose
from stream.tracking.settings import TrackerSettings
from stream.tracking.tracker import Tracker
from tests.stream.tracking.walkers import frame


def tracked_clip(predictions: Path, fps: float) -> list[tuple[TrackedPose, ...]]:
    """The annotated frames of a clip, which are a few frames apart, tracked."""
    tracker = Tracker(TrackerSettings())
    content = json.loads(predictions.read_text(encoding="utf-8"))
    return [
        tracker.update(frame(f["frame"], *map(pose_of, f["persons"])), f["frame"] / fps)
        for f in content["frames"]
    ]


def pose_of(person: dict[str, list[float]]) -> Pose:
    keypoints = np.array(person["keypoints"], np.float32).reshape(17, 3)
    return Pose(keypoints[:, :2].copy(), keypoints[:, 2].clip(0, 1), float(person["score"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clip", "fps", "people", "most_ids"),
    [
        ("lab_two_persons_cam01_h264", 60.0, 3, 4),
        ("lab_two_persons_cam03_h264", 60.0, 2, 3),
        ("store_aisle_480x270_h264", 100 / 6, 3, 5),
        ("corridor_two_walking_480x270_h264", 12.5, 3, 4),
        ("worker_zone_480x270_h264", 100 / 6, 1, 2),
    ],
)
def test_a_clip_has_hardly_more_ids_than_people(
    shared_data: Path, clip: str, fps: float, people: int, most_ids: int
) -> None:
    history = tracked_clip(shared_data / f"labelled/video_pseudo/{clip}.json", fps)
    ids = {tracked.track for poses in history for tracked in poses}
    assert people <= len(ids) <= most_ids
    assert max(ids) == len(ids)


@pytest.mark.parametrize("clip", ["lab_two_persons_cam01_h264", "lab_two_persons_cam03_h264"])
def test_no_id_jumps_from_one_person_to_another(shared_data: Path, clip: str) -> None:
    history = tracked_clip(shared_data / f"labelled/video_pseudo/{clip}.json", 60.0)
    last: dict[int, np.ndarray] = {}
    for poses in history:
        for tracked in poses:
            x, y, width, height = tracked.pose.box_px()
            middle = np.array([x + width / 2, y + height / 2])
            # A sixth of a second apart, nobody here walks further than a third of its height.
            moved = np.linalg.norm(middle - last.get(tracked.track, middle))
            assert moved < height / 3
            last[tracked.track] = middle
