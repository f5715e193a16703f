"""What a view teaches networks that answer at the cells of a pyramid: joints, boxes, certainty.

Cells of a level are asked at the points of `builders.networks.centre_sampling`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from builders.training.augment import View
from builders.training.labels import JOINTS, Person

MIN_VISIBLE = 0.25
"""Share of a box that must lie on the canvas for a detector to learn it."""
MIN_SIDE_PX = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class PoseLabels:
    """Of one view."""

    joints: Tensor
    """(G, 17, 3) canvas px; label: above 0 how sure, 0 unknown, -1 surely not to be seen."""
    areas: Tensor
    """(G,) canvas px squared."""
    certainty: tuple[Tensor, ...]
    """(H, W) of each level, finest first: how surely a cell without a label is background."""
    heat_certainty: Tensor
    """(17, H, W) of the finest level: 0 also about joints that are there but unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxLabels:
    """Of one view."""

    boxes: Tensor
    """(G, 4) left, top, right, bottom edges in canvas px."""
    certainty: tuple[Tensor, ...]
    """As in `PoseLabels`."""


def pose_labels(view: View, strides: Sequence[int]) -> PoseLabels:
    """People whose joints are known; nothing is learnt inside the boxes of the others."""
    known = [person for person in view.people if not person.ignored]
    sure = _sure_places(view, (person for person in view.people if person.ignored))
    joints = np.stack([_labelled(p) for p in known]) if known else np.zeros((0, JOINTS, 3))
    heat = np.repeat(sure[None], JOINTS, 0)
    for person in known:
        if not person.absent_is_background:
            rows, columns = _pixels(person.box)
            heat[person.keypoints[:, 2] == 0, rows, columns] = 0
    return PoseLabels(
        torch.from_numpy(joints.astype(np.float32)),
        torch.tensor([person.area_px2 for person in known], dtype=torch.float32),
        tuple(_asked(sure, stride) for stride in strides),
        _asked(heat, strides[0]),
    )


def box_labels(view: View, strides: Sequence[int]) -> BoxLabels:
    """People whose boxes are known and lie well on the canvas, cut at its edges."""
    side = view.pixels.shape[0]
    boxes = [(person, _clipped(person.box, side)) for person in view.people]
    known = [box for person, box in boxes if person.box_is_sure and _seen(box, person.box)]
    doubtful = (person for person, box in boxes if not person.box_is_sure)
    sure = _sure_places(view, doubtful)
    return BoxLabels(
        torch.from_numpy(np.array(known, np.float32).reshape(-1, 4)),
        tuple(_asked(sure, stride) for stride in strides),
    )


def _labelled(person: Person) -> np.ndarray:
    keypoints = person.keypoints.copy()
    if person.absent_is_background:
        keypoints[keypoints[:, 2] == 0, 2] = -1
    return keypoints


def _sure_places(view: View, doubtful: Iterable[Person]) -> np.ndarray:
    """(S, S) how surely a pixel without a label is background."""
    sure: np.ndarray = view.background.copy()
    for person in doubtful:
        sure[_pixels(person.box)] = 0
    return sure


def _pixels(box: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a box (x, y, w, h); indexing cuts them at the far edges."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    rows = slice(max(0, int(top)), max(0, int(np.ceil(bottom))))
    return rows, slice(max(0, int(left)), max(0, int(np.ceil(right))))


def _asked(sure: np.ndarray, stride: int) -> Tensor:
    """(..., S, S) pixels to the cells of a level, which may reach beyond the canvas."""
    side = sure.shape[-1]
    points = np.minimum(np.arange(0, side, stride) + stride // 2, side - 1)
    return torch.from_numpy(sure[..., points[:, None], points[None]])


def _clipped(box: np.ndarray, side: int) -> np.ndarray:
    """Box (x, y, w, h) to edges on the canvas: left, top, right, bottom."""
    corners = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
    clipped: np.ndarray = corners.clip(0, side) - 0.5
    return clipped


def _seen(clipped: np.ndarray, box: np.ndarray) -> bool:
    width, height = clipped[2] - clipped[0], clipped[3] - clipped[1]
    return bool(
        width * height >= MIN_VISIBLE * box[2] * box[3] and min(width, height) >= MIN_SIDE_PX
    )
