from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders.evaluation.labels import Labels
from builders.evaluation.pck import PckScale, pck_report
from builders.evaluation.people import People
from stream.errors import ConfigError
from stream.skeleton import CROWDPOSE_14
from tests.builders.evaluation.labelled import annotation, labels_of, people, person_at

LEFT_SHOULDER, RIGHT_HIP, WRIST = 5, 12, 9


def one_person(folder: Path, **more: Any) -> Labels:
    """Shoulder and hip 100 px apart, box 240 px wide."""
    person = person_at(0, 0, 240)
    person[LEFT_SHOULDER, :2], person[RIGHT_HIP, :2] = (50, 50), (110, 130)
    return labels_of(folder, [annotation(1, 1, person, **more)], pictures=1)


def found_with_wrist_off(labels: Labels, pixels: float) -> dict[int, People]:
    person = np.array(labels.people[0]["keypoints"], np.float32).reshape(-1, 3)
    person[WRIST, 0] += pixels
    return {1: people((person, 0.9))}


@pytest.mark.parametrize(
    ("scale", "length", "more"),
    [
        (PckScale.TORSO, 100.0, {}),
        (PckScale.BOX, 240.0, {}),
        (PckScale.HEAD, 30.0, {"head_box": [0, 0, 30, 40]}),  # 0.6 * 50
    ],
)
def test_a_joint_counts_up_to_a_tenth_and_two_tenths_of_the_length(
    tmp_path: Path, scale: PckScale, length: float, more: dict[str, object]
) -> None:
    labels = one_person(tmp_path, **more)
    for share, at_1, at_2 in ((0.099, 1, 1), (0.101, 0, 1), (0.199, 0, 1), (0.201, 0, 0)):
        report = pck_report(labels, found_with_wrist_off(labels, share * length), scale)
        assert report.joints["left_wrist"]["PCK@0.1"] == at_1
        assert report.joints["left_wrist"]["PCK@0.2"] == at_2
        assert report.total["PCK@0.1"] == pytest.approx((16 + at_1) / 17)
    assert report.counted == 17


def test_the_head_of_crowdpose_reaches_from_head_to_neck(tmp_path: Path) -> None:
    person = person_at(0, 0, 240, CROWDPOSE_14)
    person[12, :2], person[13, :2] = (10, 10), (10, 50)
    labels = labels_of(tmp_path, [annotation(1, 1, person)], 1, CROWDPOSE_14)
    moved = person.copy()
    moved[4, 1] += 19.9
    report = pck_report(labels, {1: people((moved, 0.9))}, PckScale.HEAD)
    assert report.joints["left_wrist"] == {"PCK@0.1": 0, "PCK@0.2": 0, "PCK@0.5": 1}


def test_joints_of_people_who_were_not_found_are_wrong(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path, [annotation(1, 1, person_at(0, 0)), annotation(2, 2, person_at(0, 0))]
    )
    report = pck_report(labels, {1: people((person_at(0, 0), 0.9))}, PckScale.BOX)
    assert report.total == {"PCK@0.1": 0.5, "PCK@0.2": 0.5}
    assert report.counted == 34


def test_people_whose_scale_is_unknown_are_left_out_and_nobody_is_an_error(tmp_path: Path) -> None:
    no_hip = person_at(0, 0)
    no_hip[RIGHT_HIP, 2] = 0
    labels = labels_of(
        tmp_path, [annotation(1, 1, no_hip), annotation(2, 2, person_at(0, 0))], pictures=2
    )
    assert pck_report(labels, {}, PckScale.TORSO).counted == 17
    with pytest.raises(ConfigError, match=r"the head of nobody is known; .* torso, box"):
        pck_report(labels, {}, PckScale.HEAD)
