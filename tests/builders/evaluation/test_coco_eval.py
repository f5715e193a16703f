import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from builders.evaluation.coco_eval import evaluate, keypoint_statistics
from builders.evaluation.labels import LabelledSet, read_labels
from builders.evaluation.people import Floats, People, Rgb
from stream.clock import ManualClock
from stream.errors import SourceError
from stream.skeleton import COCO_17

NOBODY: People = (np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32))


def person_at(x: float, y: float, side: float = 120.0) -> Floats:
    """A skeleton whose joints fill a square box."""
    spread = np.random.default_rng(3).uniform(0, side, (17, 2))
    spread[0], spread[1] = 0, side
    return np.column_stack([spread + np.array([x, y]), np.full(17, 2)]).round().astype(np.float32)


def annotation(number: int, image: int, keypoints: Floats, labelled: int = 17) -> dict[str, object]:
    left, top = keypoints[:, :2].min(0).tolist()
    width, height = np.ptp(keypoints[:, :2], axis=0).tolist()
    kept = keypoints.copy()
    kept[labelled:] = 0
    return {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "num_keypoints": labelled,
        "keypoints": kept.ravel().tolist(), "bbox": [left, top, width, height],
        "area": 0.53 * width * height,
    }  # fmt: skip


@pytest.fixture
def labelled(tmp_path: Path) -> LabelledSet:
    """Three pictures: two people, one person with a person without joints, nobody."""
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((400, 600, 3), number, np.uint8))
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 600, "height": 400} for n in (1, 2, 3)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
        "annotations": [
            annotation(1, 1, person_at(10, 20)),
            annotation(2, 1, person_at(300, 200)),
            annotation(3, 2, person_at(50, 60)),
            annotation(4, 2, person_at(400, 60), labelled=0),
        ],
    }
    annotations = tmp_path / "labels.json"
    annotations.write_text(json.dumps(content), encoding="utf-8")
    return LabelledSet(annotations, tmp_path)


def truth() -> dict[int, People]:
    return {
        1: (np.stack([person_at(10, 20), person_at(300, 200)]), np.array([0.9, 0.8], np.float32)),
        2: (person_at(50, 60)[None], np.array([0.7], np.float32)),
    }


def test_perfect_people_reach_ap_1(labelled: LabelledSet) -> None:
    figures = keypoint_statistics(read_labels(labelled), truth())
    assert figures["AP"] == pytest.approx(1)
    assert figures["AR"] == pytest.approx(1)
    assert (figures["people"], figures["pictures"]) == (3, 3)


def test_nobody_found_is_ap_0(labelled: LabelledSet) -> None:
    figures = keypoint_statistics(read_labels(labelled), {1: NOBODY})
    assert (figures["AP"], figures["AR"]) == (0, 0)


def test_a_missed_person_lowers_recall_to_the_share_found(labelled: LabelledSet) -> None:
    figures = keypoint_statistics(read_labels(labelled), truth() | {2: NOBODY})
    assert figures["AR"] == pytest.approx(2 / 3)
    # COCO samples precision at 101 recalls; those up to 2/3 are reached.
    assert figures["AP"] == pytest.approx(67 / 101)


def test_a_confident_false_person_on_an_empty_picture_costs_precision(
    labelled: LabelledSet,
) -> None:
    ghost = person_at(200, 200)[None], np.array([0.95], np.float32)
    figures = keypoint_statistics(read_labels(labelled), truth() | {3: ghost})
    assert figures["AR"] == pytest.approx(1)
    assert figures["AP"] == pytest.approx(3 / 4)


def test_a_person_without_labelled_joints_is_neither_found_nor_false(
    labelled: LabelledSet,
) -> None:
    both = np.stack([person_at(50, 60), person_at(400, 60)]), np.array([0.7, 0.95], np.float32)
    assert keypoint_statistics(read_labels(labelled), truth() | {2: both})["AP"] == pytest.approx(1)


def test_joints_shifted_to_oks_07_count_up_to_that_threshold(labelled: LabelledSet) -> None:
    area = 0.53 * 120 * 120
    oks_of = np.vectorize(
        lambda shift: np.exp(-(shift**2) / (2 * area * (2 * COCO_17.sigmas) ** 2)).mean()
    )
    shifts = np.linspace(0, 30, 3001)
    shift = shifts[np.argmin(np.abs(oks_of(shifts) - 0.72))]
    moved = {}
    for image, (keypoints, scores) in truth().items():
        moved[image] = keypoints + np.array([shift, 0, 0], np.float32), scores
    figures = keypoint_statistics(read_labels(labelled), moved)
    assert figures["AP50"] == pytest.approx(1)
    assert figures["AP75"] == 0
    assert figures["AP"] == pytest.approx(5 / 10)  # .50 .55 .60 .65 .70 of ten thresholds


def test_evaluate_shows_every_picture_and_counts_only_the_time_of_predict(
    labelled: LabelledSet,
) -> None:
    clock = ManualClock()
    seen: list[int] = []

    def predict(rgb: Rgb) -> People:
        clock.advance(0.5)
        seen.append(int(rgb[0, 0, 0]))
        return truth().get(seen[-1], NOBODY)

    figures = evaluate(predict, labelled, clock)
    assert seen == [1, 2, 3]
    assert figures["AP"] == pytest.approx(1)
    assert figures["seconds"] == pytest.approx(1.5)


def test_a_missing_picture_is_named(labelled: LabelledSet) -> None:
    (labelled.images / "2.png").unlink()
    with pytest.raises(SourceError, match=r"2\.png"):
        evaluate(lambda _: NOBODY, labelled)
