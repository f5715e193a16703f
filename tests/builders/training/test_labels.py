import json
from pathlib import Path

import pytest

from builders.training.labels import TeacherLimits, load_clip, load_coco
from stream.errors import ConfigError

LIMITS = TeacherLimits()


def write(folder: Path, annotations: list[dict[str, object]], name: str = "train.json") -> Path:
    path = folder / name
    images = [{"id": 1, "file_name": "a.jpg", "licence_tier": "A"}, {"id": 2, "file_name": "b.jpg"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def record(**more: object) -> dict[str, object]:
    return {"id": 9, "image_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [0] * 51} | more


def load(path: Path, **more: object) -> list[object]:
    return list(load_coco(path, path.parent, background=1.0, limits=LIMITS, **more))  # type: ignore[arg-type]


def test_true_joints_win_over_the_teacher_which_fills_the_rest(tmp_path: Path) -> None:
    truth = [0.0] * 51
    truth[0:3] = [5, 6, 2]
    teacher = [[1.0, 1.0, 0.9]] * 3 + [[7.0, 8.0, 0.1]] * 14
    path = write(tmp_path, [record(keypoints=truth, teacher_keypoints=teacher)])
    person = load(path)[0].people[0]  # type: ignore[attr-defined]
    assert person.keypoints[0].tolist() == [5, 6, 1]
    assert person.keypoints[1].tolist() == [1, 1, 1]
    assert person.keypoints[5, 2] == 0
    assert not person.absent_is_background


def test_people_without_joints_and_crowds_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, [record(), record(iscrowd=1)])
    assert [p.ignored for p in load(path)[0].people] == [True, True]  # type: ignore[attr-defined]


def test_a_doubtful_teacher_is_not_believed(tmp_path: Path) -> None:
    teacher = [[1.0, 1.0, 0.9]] * 17
    path = write(tmp_path, [record(teacher_keypoints=teacher, teacher_flip_distance=0.5)])
    assert load(path)[0].people[0].ignored  # type: ignore[attr-defined]


def test_tiers_filter_pictures(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    assert len(load(path)) == 2
    assert len(load(path, tiers=frozenset("A"))) == 1


def test_a_val_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="val split"):
        load(write(tmp_path, [], "val.json"))


def test_a_bad_record_is_named_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, [record(bbox=[1, 2])])
    with pytest.raises(ConfigError, match=r"train\.json: annotation 9"):
        load(path)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(ConfigError, match=r"train\.json"):
        load(tmp_path / "train.json")


def test_clip_predictions_become_labelled_frames(shared_data: Path) -> None:
    file = shared_data / "labelled" / "video_pseudo" / "worker_zone_480x270_h264.json"
    frames = load_clip(file, shared_data / "videos", LIMITS)
    assert frames[0].path.name == "worker_zone_480x270_h264.mp4"
    assert frames[0].frame == 0
    assert any(not person.ignored for frame in frames for person in frame.people)
