import json
from pathlib import Path

import numpy as np
import pytest

from builders.evaluation.boxes import boxes_of_file, boxes_of_truth
from builders.evaluation.coco_eval import STATISTICS, box_statistics
from builders.evaluation.labels import Labels
from builders.evaluation.people import Boxes
from stream.errors import ConfigError
from tests.builders.evaluation.labelled import annotation, labels_of, person_at

PICTURE = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    """A medium person of 60 x 60 and a large one of 200 x 200; a crowd; an empty picture."""
    return labels_of(
        tmp_path,
        [
            annotation(1, 1, person_at(10, 20, 60)),
            annotation(2, 1, person_at(300, 100, 200)),
            annotation(3, 2, person_at(100, 100, 200), labelled=0, iscrowd=1),
        ],
    )


def boxes(*rows: tuple[float, float, float, float, float]) -> Boxes:
    found = np.array(rows, np.float32).reshape(-1, 5)
    return found[:, :4], found[:, 4]


def perfect() -> dict[int, Boxes]:
    return {1: boxes((10, 20, 60, 60, 0.9), (300, 100, 200, 200, 0.8))}


def test_perfect_boxes_reach_1_everywhere_and_crowds_do_not_matter(labels: Labels) -> None:
    found = perfect() | {2: boxes((150, 150, 50, 50, 0.95))}
    figures = box_statistics(labels, found)
    assert [figures[name] for name in STATISTICS] == pytest.approx([1] * 10)
    assert (figures["people"], figures["pictures"]) == (2, 3)


def test_a_box_that_overlaps_by_seven_tenths_counts_up_to_that_threshold(labels: Labels) -> None:
    found = perfect()
    found[1][0][1, 2] = 200 * 0.72  # narrower: intersection over union 0.72
    figures = box_statistics(labels, found)
    assert figures["APL"] == pytest.approx(0.5)  # .50 .55 .60 .65 .70 of ten thresholds
    assert figures["APM"] == pytest.approx(1)
    assert figures["AR50"] == pytest.approx(1)
    assert figures["AR75"] == pytest.approx(0.5)
    assert figures["ARL"] == pytest.approx(0.5)


def test_a_confident_false_box_costs_precision_not_recall(labels: Labels) -> None:
    figures = box_statistics(labels, perfect() | {3: boxes((0, 0, 50, 50, 0.99))})
    assert figures["AR"] == pytest.approx(1)
    assert figures["AP"] == pytest.approx(2 / 3)


def test_nothing_found_is_0_and_a_size_that_nobody_has_is_minus_1(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, [annotation(1, 1, person_at(10, 20, 60))])
    figures = box_statistics(labels, {})
    assert (figures["AP"], figures["AR"], figures["APL"]) == (0, 0, -1)


def test_the_truth_has_the_boxes_of_people_with_joints(labels: Labels) -> None:
    places, scores = boxes_of_truth(labels)(1, PICTURE)
    assert places.tolist() == [[10, 20, 60, 60], [300, 100, 200, 200]]
    assert scores.tolist() == [1, 1]
    assert boxes_of_truth(labels)(2, PICTURE)[0].shape == (0, 4)


def test_a_file_gives_its_boxes_best_first_and_people_only(labels: Labels, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    records = [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.3},
        {"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 1, "bbox": [5, 6, 7, 8], "score": 0.5},
    ]
    path.write_text(json.dumps(records), encoding="utf-8")
    boxes_of = boxes_of_file(path, labels)
    assert boxes_of(1, PICTURE)[0].tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert boxes_of(2, PICTURE)[0].shape == (0, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"image_id": 1}, "expected a list"),
        ([{"image_id": 9, "bbox": [1, 2, 3, 4], "score": 1}], "result 0: no picture .* 9"),
        ([{"image_id": 1, "bbox": [1, 2, 3], "score": 1}], "result 0: expected `bbox`"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 0], "score": 1}], "result 0: expected `bbox`"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "result 0: expected `bbox` .* None"),
    ],
)
def test_a_wrong_record_of_a_file_is_named(
    labels: Labels, tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"boxes\.json: {message}"):
        boxes_of_file(path, labels)
