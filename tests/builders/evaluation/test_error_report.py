import json
from pathlib import Path

import numpy as np
import pytest

from builders.evaluation.error_plot import draw_errors
from builders.evaluation.error_report import error_report
from builders.evaluation.labels import Labels
from builders.evaluation.matching import Match, match_people
from builders.evaluation.people import People
from stream.errors import ConfigError
from stream.skeleton import COCO_17
from tests.builders.evaluation.labelled import annotation, labels_of, people, person_at

SMALL, MEDIUM, LARGE = 40.0, 100.0, 200.0
"""Sides of boxes whose 0.53 share is a small, medium and large area."""


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    """A medium and a large person, a small one beside a crowd, and an empty picture."""
    return labels_of(
        tmp_path,
        [
            annotation(1, 1, person_at(10, 20, MEDIUM)),
            annotation(2, 1, person_at(300, 150, LARGE)),
            annotation(3, 2, person_at(50, 60, SMALL)),
            annotation(4, 2, person_at(300, 60, LARGE), labelled=0, iscrowd=1),
        ],
    )


def perfect() -> dict[int, People]:
    return {
        1: people((person_at(10, 20, MEDIUM), 0.9), (person_at(300, 150, LARGE), 0.8)),
        2: people((person_at(50, 60, SMALL), 0.7)),
    }


def test_perfect_people_make_no_error_at_all(labels: Labels) -> None:
    report = error_report(labels, perfect())
    assert report.total == {"good": 51, "jitter": 0, "inversion": 0, "swap": 0, "miss": 0}
    assert list(report.ap_after.values()) == pytest.approx([1] * 7)
    assert sum(c.missed + c.false for c in report.people.values()) == 0
    assert {size: c.people for size, c in report.people.items()} == {
        "small": 1, "medium": 1, "large": 1
    }  # fmt: skip


def test_each_joint_and_size_is_counted_on_its_own(labels: Labels) -> None:
    found = perfect()
    wrists = [9, 10]
    found[1][0][1][wrists] = found[1][0][1][wrists[::-1]]  # the large person's
    found[2][0][0][0, :2] += 300  # the small person's nose
    report = error_report(labels, found)
    assert report.joints["left_wrist"]["inversion"] == 1
    assert report.joints["right_wrist"]["inversion"] == 1
    assert report.sizes["large"]["inversion"] == report.total["inversion"] == 2
    assert report.joints["nose"]["miss"] == report.sizes["small"]["miss"] == 1
    assert report.pictures[1].joints["miss"] == 1
    assert report.ap_after["inversion"] > report.ap_after["swap"]


def test_a_joint_on_the_neighbours_is_a_swap(labels: Labels) -> None:
    found = perfect()
    found[1][0][0][9] = found[1][0][1][9]
    assert error_report(labels, found).joints["left_wrist"]["swap"] == 1


def test_false_people_doubles_and_missed_people_are_told_apart(labels: Labels) -> None:
    found = {
        1: people(
            (person_at(10, 20, MEDIUM), 0.9),
            (person_at(12, 22, MEDIUM), 0.5),  # a double
            (person_at(480, 20, SMALL), 0.6),  # on background
        ),
        2: people((person_at(300, 60, LARGE), 0.9)),  # in the crowd
        3: people((person_at(200, 100, LARGE), 0.3)),  # on an empty picture
    }
    report = error_report(labels, found)
    counts = {size: (c.missed, c.false, c.doubles) for size, c in report.people.items()}
    assert counts == {"small": (1, 1, 0), "medium": (0, 1, 1), "large": (1, 1, 0)}
    assert [p.false for p in report.pictures] == [2, 0, 1]
    assert [p.missed for p in report.pictures] == [1, 1, 0]
    assert report.ap_after["missed_people"] == pytest.approx(1)
    by_score = {row.from_score: (row.found, row.false) for row in report.by_score}
    assert by_score[0.0] == (1, 3)
    assert by_score[0.4] == (1, 2)
    assert by_score[0.7] == (1, 0)


def test_nobody_found_is_everybody_missed(labels: Labels) -> None:
    report = error_report(labels, {})
    assert sum(c.missed for c in report.people.values()) == 3
    assert sum(report.total.values()) == 0
    assert report.ap_after["found"] == 0


def test_matching_agrees_with_hand_worked_cases(labels: Labels) -> None:
    found = {1: people((person_at(12, 22, MEDIUM), 0.4), (person_at(10, 20, MEDIUM), 0.9))}
    matching = match_people(labels, found, 0.5)
    assert matching.matches == (Match((1, 1), 1),)  # the better score takes the person
    assert matching.false == {(1, 0)}
    assert matching.missed == {2, 3}


def test_people_with_another_number_of_joints_are_refused(labels: Labels) -> None:
    wrong = {2: (np.zeros((1, 14, 3), np.float32), np.ones(1, np.float32))}
    with pytest.raises(ConfigError, match=r"picture 2 .*expected people \(N, 17, 3\)"):
        error_report(labels, wrong)


def test_the_report_is_json_and_a_picture(labels: Labels, tmp_path: Path) -> None:
    report = error_report(labels, perfect())
    content = json.loads(json.dumps(report.as_json()))
    assert set(content) == {
        "joints", "sizes", "total", "people", "ap_after", "by_score", "pictures"
    }  # fmt: skip
    assert list(content["joints"]) == list(COCO_17.joints)
    draw_errors(report, tmp_path / "errors.png", "perfect")
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="cannot be written"):
        draw_errors(report, tmp_path / "nowhere" / "errors.png", "perfect")
