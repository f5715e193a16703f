"""What several looks at a person agree on, and how it is learnt from."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.training.labels import TeacherLimits, load_coco
from builders.training.relabel import agreed, crop_models, main, read_taught
from stream.errors import ConfigError
from tests.builders.training.coco_files import write_coco

SIDES = np.array([200.0], np.float32)


def looks(places: list[tuple[float, float]], confidences: list[float]) -> np.ndarray:
    """(M, 1, 17, 3), all joints of a look in one place."""
    rows = [[*place, sure] for place, sure in zip(places, confidences, strict=True)]
    return np.repeat(np.array(rows, np.float32)[:, None, None], 17, 2)


@given(x=st.floats(0, 500), y=st.floats(0, 500), sure=st.floats(0.1, 1), count=st.integers(1, 6))
def test_looks_that_see_the_same_keep_place_and_sureness(
    x: float, y: float, sure: float, count: int
) -> None:
    pose = agreed(looks([(x, y)] * count, [sure] * count), SIDES)
    assert pose.shape == (1, 17, 3)
    np.testing.assert_allclose(pose[0, 0, :2], (x, y), atol=1e-2)
    assert pose[0, 0, 2] == pytest.approx(sure, abs=1e-2)


def test_a_look_that_stands_alone_is_outvoted() -> None:
    pose = agreed(looks([(100, 100), (102, 100), (300, 40)], [0.6, 0.6, 0.8]), SIDES)
    np.testing.assert_allclose(pose[0, 0, :2], (101, 100), atol=0.1)


def test_looks_that_disagree_leave_a_joint_unsure() -> None:
    together = agreed(looks([(100, 100)] * 2, [0.8, 0.8]), SIDES)
    apart = agreed(looks([(100, 100), (180, 30)], [0.8, 0.8]), SIDES)
    assert apart[0, 0, 2] < 0.75 * together[0, 0, 2]


def test_near_places_are_averaged_by_their_confidence() -> None:
    pose = agreed(looks([(100, 100), (104, 100)], [0.9, 0.3]), SIDES)
    assert 100 < pose[0, 0, 0] < 101


def test_taught_joints_stand_in_for_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    nobody = np.column_stack([np.full((17, 2), 9.0), np.full(17, 0.0)])
    nobody[0, 2], nobody[1] = 2, (60, 60, 2)
    write_coco(tmp_path, {"a.png": [nobody]})
    pose = [[20.0, 30.0, 0.9]] * 17
    (tmp_path / "taught.json").write_text(json.dumps({"keypoints": {"1": pose}}))
    taught = read_taught(tmp_path / "taught.json")
    [picture] = load_coco(
        tmp_path / "train.json", tmp_path, background=1, limits=TeacherLimits(), taught=taught
    )
    keypoints = picture.people[0].keypoints
    np.testing.assert_allclose(keypoints[0, :2], 9)  # true joints stay
    np.testing.assert_allclose(keypoints[5, :2], (20, 30))


def test_a_file_that_is_no_teacher_is_told(tmp_path: Path) -> None:
    (tmp_path / "taught.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"taught\.json"):
        read_taught(tmp_path / "taught.json")


def test_only_top_down_models_teach() -> None:
    with pytest.raises(ConfigError, match="expected a top-down model"):
        crop_models("bottom_up_fast", (1.0,))


def test_a_held_out_split_is_not_taught(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not be trained on"):
        main(tmp_path / "val.json", tmp_path, tmp_path / "out.json")
