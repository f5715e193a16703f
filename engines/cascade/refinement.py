"""Whose pose is looked at again: the doubtful and the crowded, as long as there is time."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.cascade.pose_boxes import joint_boxes
from engines.decoding.box_suppression import box_overlaps

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

CROWD_IOU = 0.1
"""People whose boxes overlap by so much may have got each other's joints (PoseFix takes the swaps
of its synthetic poses from such neighbours)."""
NEWEST_SHARE = 0.3
"""Of the newest measurement in what a crop is believed to cost."""
HOPE = 0.95
"""What was too dear is believed to get cheaper with each frame that went without."""


def doubtful_poses(poses: Floats, refine_below: float) -> Indices:
    """Which of the poses (N, J, 3) of a frame are to be refined, the least sure first."""
    sure = poses[..., 2].mean(1) if len(poses) else np.zeros(0, np.float32)
    doubtful = (sure <= refine_below) | crowded(joint_boxes(poses))
    rows = np.flatnonzero(doubtful)
    return rows[np.argsort(sure[rows], kind="stable")]


def crowded(boxes: Floats) -> NDArray[np.bool_]:
    """(N,) whether a box (N, 4) overlaps another one."""
    touched = np.zeros(len(boxes), np.bool_)
    for row, box in enumerate(boxes):
        others = np.delete(boxes, row, axis=0)
        touched[row] = bool((box_overlaps(box, others, border=0) >= CROWD_IOU).any())
    return touched


class RefineBudget:
    """Learns what a crop costs, and says how many a frame may have.

    Args:
        seconds: for one frame; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._crop_seconds: float | None = None

    def share_out(self, wanted: Sequence[Indices]) -> list[Indices]:
        """What of each frame's poses may be refined: the first ones, as many as there is time for.

        A frame gets the same in every batch. Before anything is known, one pose each.
        """
        if self._seconds is None:
            return list(wanted)
        if self._crop_seconds is None:
            return [rows[:1] for rows in wanted]
        most = math.floor(self._seconds / self._crop_seconds)
        if not most:
            self._crop_seconds *= HOPE
        return [rows[:most] for rows in wanted]

    def spent(self, crops: int, seconds: float) -> None:
        """So many poses took so long."""
        if crops and seconds > 0:
            newest, known = seconds / crops, self._crop_seconds
            share = 1.0 if known is None else NEWEST_SHARE
            self._crop_seconds = share * newest + (1 - share) * (known or 0.0)
