from pathlib import Path

import pytest

from builders.evaluation.coco_eval import keypoint_statistics
from builders.evaluation.crowd import CrowdLevel, crowd_index, crowd_levels, crowd_statistics
from builders.evaluation.labels import Labels
from stream.skeleton import CROWDPOSE_14
from tests.builders.evaluation.labelled import annotation, labels_of, people, person_at


def records(*corners: float) -> list[dict[str, object]]:
    """People of 14 joints in boxes of 100 px, side by side."""
    return [
        annotation(n, 1, person_at(x, 0, 100, CROWDPOSE_14)) for n, x in enumerate(corners, start=1)
    ]


def test_nobody_and_people_apart_are_not_crowded() -> None:
    assert crowd_index([]) == 0
    assert crowd_index(records(0)) == 0
    assert crowd_index(records(0, 200)) == 0


def test_the_index_is_the_mean_share_of_others_joints_in_the_box() -> None:
    # 14 joints stand in columns 0, 33, 67, 100 px with 4, 4, 3, 3 of them. Moved by 50 px, columns
    # 0 and 33 of the second (8 joints) lie in the first one's box, and columns 67 and 100 of the
    # first (6 joints) in the second one's.
    assert crowd_index(records(0, 50)) == pytest.approx((8 / 14 + 6 / 14) / 2)
    assert crowd_index(records(0, 0)) == pytest.approx(1)
    assert crowd_index(records(0, 0, 0)) == pytest.approx(2)


def test_only_labelled_joints_count() -> None:
    first, second = records(0, 0)
    second["keypoints"] = [0.0] * 3 + list(second["keypoints"])[3:]  # type: ignore[call-overload]
    assert crowd_index([first, second]) == pytest.approx((13 / 14 + 14 / 13) / 2)


@pytest.mark.parametrize(
    ("index", "level"),
    [
        (0.0, "easy"),
        (0.099, "easy"),
        (0.1, "medium"),
        (0.799, "medium"),
        (0.8, "hard"),
        (2, "hard"),
    ],
)
def test_levels_begin_at_a_tenth_and_at_eight_tenths(
    tmp_path: Path, index: float, level: str
) -> None:
    labels = labels_of(tmp_path, [annotation(1, 1, person_at(0, 0))], pictures=1)
    labels.pictures[0]["crowdIndex"] = index
    assert crowd_levels(labels)[CrowdLevel(level)] == [1]


@pytest.fixture
def three_levels(tmp_path: Path) -> Labels:
    """One person in picture 1, two half over each other in 2, two at one place in 3."""
    return labels_of(
        tmp_path,
        [
            annotation(1, 1, person_at(0, 0, 100, CROWDPOSE_14)),
            annotation(2, 2, person_at(0, 0, 100, CROWDPOSE_14)),
            annotation(3, 2, person_at(50, 0, 100, CROWDPOSE_14)),
            annotation(4, 3, person_at(0, 0, 100, CROWDPOSE_14)),
            annotation(5, 3, person_at(0, 0, 100, CROWDPOSE_14)),
        ],
        skeleton=CROWDPOSE_14,
    )


def test_each_level_has_its_own_ap(three_levels: Labels) -> None:
    found = {
        1: people((person_at(0, 0, 100, CROWDPOSE_14), 0.9)),
        2: people((person_at(0, 0, 100, CROWDPOSE_14), 0.9)),
    }
    figures = crowd_statistics(three_levels, found)
    assert figures["AP_easy"] == pytest.approx(1)
    assert figures["AP_medium"] == pytest.approx(51 / 101)  # half the people: recalls 0 to 0.5
    assert figures["AP_hard"] == 0
    assert [figures[f"pictures_{level}"] for level in CrowdLevel] == [1, 1, 1]
    assert figures["AP"] == pytest.approx(keypoint_statistics(three_levels, found)["AP"])


def test_a_level_without_pictures_has_no_ap(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, [annotation(1, 1, person_at(0, 0))], pictures=1)
    figures = crowd_statistics(labels, {1: people((person_at(0, 0), 0.9))})
    assert [figures[f"AP_{level}"] for level in CrowdLevel] == pytest.approx([1, -1, -1])


def test_the_box_and_not_the_mask_is_a_persons_scale(tmp_path: Path) -> None:
    masked = annotation(1, 1, person_at(0, 0, 100), area=100.0)
    labels = labels_of(tmp_path, [masked], pictures=1)
    moved = person_at(3, 0, 100)
    found = {1: people((moved, 0.9))}
    assert keypoint_statistics(labels, found)["AP"] < 0.5
    assert crowd_statistics(labels, found)["AP"] > 0.8
