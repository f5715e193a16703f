import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.decoding.box_suppression import (
    SoftSuppression,
    box_overlaps,
    greedy_nms,
    soft_nms,
)

Array = NDArray[np.float64]
AS_RELEASED = SoftSuppression(0.3, 1e-3, 1000)


def random_boxes(seed: int, count: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 60, (count, 2))], 1)
    return boxes, random.uniform(0, 1, count)


def soft_nms_by_hand(boxes: Array, scores: Array) -> list[tuple[int, float]]:
    """One box after the other, as the reference's loop does."""
    rest = [(index, float(score)) for index, score in enumerate(scores)]
    out = []
    while rest:
        best, score = max(rest, key=lambda item: item[1])
        if score < 1e-3:
            break
        out.append((best, score))
        faded = []
        for index, value in rest:
            if index == best:
                continue
            left, top = max(boxes[best][0], boxes[index][0]), max(boxes[best][1], boxes[index][1])
            right, low = min(boxes[best][2], boxes[index][2]), min(boxes[best][3], boxes[index][3])
            shared = max(0, right - left + 1) * max(0, low - top + 1)
            areas = [
                (box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (boxes[best], boxes[index])
            ]
            iou = shared / (sum(areas) - shared)
            faded.append((index, value * (1 - iou) if iou > 0.3 else value))
        rest = [item for item in faded if item[1] >= 1e-3]
    return out


def test_soft_suppression_equals_the_reference_loop() -> None:
    for seed in range(20):
        boxes, scores = random_boxes(seed, 30)
        kept, lowered = soft_nms(boxes, scores, AS_RELEASED)
        expected = soft_nms_by_hand(boxes, scores)
        assert kept.tolist() == [index for index, _ in expected]
        np.testing.assert_allclose(lowered, [score for _, score in expected])


def test_iou_counts_both_edges_of_a_box() -> None:
    boxes = np.array([[0.0, 0, 9, 9], [0, 0, 9, 4]])  # 100 and 50 pixels
    _, lowered = soft_nms(boxes, np.array([0.9, 0.8]), AS_RELEASED)
    assert lowered.tolist() == pytest.approx([0.9, 0.4])


def test_soft_suppression_keeps_at_most_so_many() -> None:
    boxes, scores = random_boxes(0, 30)
    kept, lowered = soft_nms(boxes, scores, SoftSuppression(0.3, 1e-3, 4))
    assert len(kept) == len(lowered) == 4
    assert kept.tolist() == soft_nms(boxes, scores, AS_RELEASED)[0][:4].tolist()


def test_overlap_of_two_boxes_of_edges() -> None:
    box = np.array([0.0, 0, 10, 10])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 10, 20, 20], [3, 3, 3, 3]])
    assert box_overlaps(box, others, border=0).tolist() == [1, 50 / 150, 0, 0]
    assert box_overlaps(np.zeros(4), np.zeros((1, 4)), border=0).tolist() == [0]


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_greedy_suppression_leaves_no_doubles_and_drops_nothing_else(
    seed: int, overlap: float
) -> None:
    boxes, scores = random_boxes(seed, 12)
    kept = greedy_nms(boxes, scores, overlap).tolist()
    assert scores[kept].tolist() == sorted(scores[kept], reverse=True)
    for rank, index in enumerate(kept):
        assert (box_overlaps(boxes[index], boxes[kept[rank + 1 :]], border=0) <= overlap).all()
    for index in set(range(12)) - set(kept):
        better = [other for other in kept if scores[other] >= scores[index]]
        assert (box_overlaps(boxes[index], boxes[better], border=0) > overlap).any()


def test_nothing_from_nothing() -> None:
    assert greedy_nms(np.zeros((0, 4)), np.zeros(0), 0.5).size == 0
    assert soft_nms(np.zeros((0, 4)), np.zeros(0), AS_RELEASED)[0].size == 0
