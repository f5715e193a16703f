"""Views of pictures, people whom labels leave out, and AP over draws of pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.evaluation.coco_eval import average_precision
from builders.evaluation.labels import LabelledSet, Labels, Record, labelled_set, read_labels
from builders.evaluation.people import People
from stream.skeleton import COCO_17
from tests.bench.bench_views import (
    UNLABELLED,
    VIEWS,
    Precision,
    View,
    boxes_of,
    compared,
    pooled,
    precisions,
    tiles,
    with_unlabelled,
)

JOINTS = len(COCO_17.joints)
NOWHERE = LabelledSet(Path("labels.json"), Path("pictures"))


def standing(x: float, y: float) -> np.ndarray:
    """(17, 3) somebody 100 pixels tall."""
    joints = np.arange(JOINTS)
    return np.column_stack([x + 3 * (joints % 5), y + 6 * joints, np.ones(JOINTS)])


def record(number: int, picture: int, joints: np.ndarray) -> Record:
    low, high = joints[:, :2].min(0), joints[:, :2].max(0)
    keypoints = joints.copy()
    keypoints[:, 2] = 2
    return {
        "id": number,
        "image_id": picture,
        "category_id": 1,
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod()),
        "iscrowd": 0,
        "num_keypoints": JOINTS,
        "keypoints": keypoints.ravel().tolist(),
    }


def labels_of(pictures: int) -> Labels:
    """One person each."""
    records = tuple({"id": n, "file_name": f"{n}.jpg"} for n in range(pictures))
    people = tuple(record(n + 1, n, standing(50, 20)) for n in range(pictures))
    return Labels(NOWHERE, records, people, COCO_17)


def people(*poses: np.ndarray, scores: tuple[float, ...]) -> People:
    return np.array(poses, np.float32), np.array(scores, np.float32)


@given(st.sampled_from(VIEWS), st.integers(40, 400), st.floats(0, 400), st.floats(0, 400))
def test_what_is_found_in_a_view_comes_back_to_its_place(
    view: View, width: int, x: float, y: float
) -> None:
    pose = standing(x, y)
    shown = pose.copy()
    if view.mirrored:
        shown = shown[COCO_17.flip_order()]
        shown[:, 0] = width - 1 - shown[:, 0]
    shown[:, :2] = (shown[:, :2] + 0.5) * view.scale - 0.5

    back, _ = view.back(people(shown, scores=(1.0,)), width, labels_of(1))

    np.testing.assert_allclose(back[0], pose, atol=1e-3)


def test_a_view_has_the_size_it_says() -> None:
    rgb = np.zeros((100, 200, 3), np.uint8)
    assert View(True, 0.87).of(rgb).shape == (87, 174, 3)
    assert View(False, 1.0).of(rgb) is rgb


def test_tiles_fill_a_region_and_are_about_as_large_as_a_person() -> None:
    boxes = list(tiles((10, 20, 300, 90), (100, 50)))
    assert len(boxes) == 6
    assert sum(w * h for _, _, w, h in boxes) == pytest.approx(300 * 90)
    assert min(x for x, *_ in boxes) == 10
    assert max(y + h for _, y, _, h in boxes) == pytest.approx(110)


def test_who_is_marked_is_neither_found_nor_false() -> None:
    labels = labels_of(1)
    other = standing(300, 20)
    found = {0: people(other, standing(50, 20), scores=(0.9, 0.5))}
    marked = {"people": {"0.jpg": [[290, 10, 40, 120]]}, "crowds": {}}

    assert average_precision(labels, found) == pytest.approx(0.5, abs=0.01)
    assert average_precision(with_unlabelled(labels, marked), found) == pytest.approx(1)


def test_draws_of_pictures_take_all_their_views() -> None:
    labels = pooled([labels_of(3)])
    right, wrong = standing(50, 20), standing(500, 400)
    found = {
        view * 1000 + n: people(right if n else wrong, scores=(0.5,))
        for view in range(len(VIEWS))
        for n in range(3)
    }
    precision = Precision(labels, found)
    own = [[view * 1000 + n for view in range(len(VIEWS))] for n in range(3)]

    assert precision.of(own[1] + own[2]) == pytest.approx(1)
    assert precision.of(own[0]) == 0
    assert precision.of(own[1] + own[1]) == pytest.approx(1)
    assert 0 < precision.of(own[0] + own[1]) < 1
    assert precision.of([*own[0], *own[1], *own[2]]) == pytest.approx(
        average_precision(labels, found)
    )


def test_a_system_is_as_good_as_itself() -> None:
    labels = pooled([labels_of(2)])
    found = {n: people(standing(50, 20), scores=(0.5,)) for n in (0, 1)}
    values = precisions(labels, found, draws=5)

    assert compared(values, values) == {
        "difference": 0,
        "interval": [0, 0],
        "share of draws above": 0,
    }


def test_everybody_who_is_marked_stands_in_a_picture_of_the_set(shared_data: Path) -> None:
    marked = json.loads(UNLABELLED.read_text("utf-8"))
    labels = read_labels(labelled_set(shared_data, "mixed_val", "val"))
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in labels.pictures}
    for name in {*marked["people"], *marked["crowds"]}:
        width, height = sizes[name]
        for (x, y, w, h), _ in boxes_of(name, marked):
            assert 0 <= x < x + w <= width + 1e-6
            assert 0 <= y < y + h <= height + 1e-6
