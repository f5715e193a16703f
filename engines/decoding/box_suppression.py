"""Suppression of doubles by box: greedy for detectors, linear and soft for SMPR. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SoftSuppression:
    """How boxes fade that overlap a better one."""

    overlap: float
    """A box with a larger IoU with a better one is multiplied by 1 - IoU."""
    lowest: float
    """Boxes whose score is or falls below are dropped."""
    most: int
    """At most so many boxes stay."""


def soft_nms(
    boxes: Array, scores: Array, soft: SoftSuppression
) -> tuple[Indices, NDArray[np.float64]]:
    """Linear soft suppression (Bodla et al., ICCV 2017), as in mmdetection's `soft_nms`.

    Args:
        boxes: (M, 4) left, top, right, bottom; both edges belong to the box (sides + 1).
        scores: (M,).
        soft: the limits.

    Returns:
        Indices and lowered scores, best first.
    """
    left = scores.astype(np.float64)
    rest = boxes.astype(np.float64)
    kept: list[int] = []
    lowered: list[float] = []
    while len(kept) < soft.most and left.size and left.max() >= soft.lowest:
        best = int(left.argmax())
        kept.append(best)
        lowered.append(float(left[best]))
        share = box_overlaps(rest[best], rest, border=1)
        left *= np.where(share > soft.overlap, 1 - share, 1.0)
        left[kept] = -1.0
    return np.array(kept, np.intp), np.array(lowered)


def greedy_nms(boxes: Array, scores: Array, overlap: float) -> Indices:
    """Which boxes stay, best first: those that overlap no better one by more than `overlap`.

    Args:
        boxes: (M, 4) left, top, right, bottom edges.
        scores: (M,); equal ones go by place in the array.
        overlap: intersection over union.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[box_overlaps(boxes[best], boxes[order], border=0) <= overlap]
    return np.array(kept, np.intp)


def box_overlaps(box: Array, boxes: Array, border: float) -> Array:
    """(M,) intersection over union of one box (4,) with (M, 4) boxes; 0 where both are empty.

    Args:
        box: left, top, right, bottom.
        boxes: likewise.
        border: what a side is longer than right - left: 1 where both edges belong to the box.
    """
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low + border, 0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2] + border).prod(-1)
    union = (box[2:] - box[:2] + border).prod() + areas - shared
    overlaps: Array = shared / np.maximum(union, np.finfo(np.float32).tiny)
    return overlaps
