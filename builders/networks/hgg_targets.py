"""Targets of HGG and DEKR for one picture; source: released `target_generators.py`.

Coordinates are map cells: input pixels over the stride. FOLLOWS the code where the paper differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
JOINTS = 17
SMALLEST_AREA = 32.0**2
"""Segments below, in source pixels squared, have no centre."""


class MaskRule(Enum):
    """Whose patches count fully in a map's loss."""

    SHARED = "HGG: one mask for all maps"
    PER_JOINT = "DEKR: each map its own"


@dataclass(frozen=True, slots=True)
class HggTargetSettings:
    """As released."""

    sigma: float = 2.0
    centre_sigma: float = 4.0
    background: float = 0.1
    """Weight outside all patches; 0.025 at stride 2."""
    offset_radius: int = 4
    mask: MaskRule = MaskRule.SHARED


@dataclass(frozen=True, slots=True, eq=False)
class HeatTargets:
    """What the heatmaps should be."""

    heat: Array
    """(K + 1, h, w)."""
    weight: Array
    """(1 or K + 1, h, w)."""


def with_centre(joints: Array, segment_areas: Sequence[float]) -> Array:
    """(P, K, 3) with the centre as one more joint: mean of the labelled ones.

    None (label 0) if no joint is labelled or the segment is smaller than 32^2 source pixels.

    Args:
        joints: x, y, label.
        segment_areas: (P,) source pixels squared.
    """
    centres = np.zeros((len(joints), 1, 3), np.float32)
    for person, area in enumerate(segment_areas):
        known = joints[person, :, 2] > 0
        if known.any() and area >= SMALLEST_AREA:
            centres[person, 0, :2] = joints[person, known, :2].mean(0)
            centres[person, 0, 2] = 1
    return np.concatenate((joints, centres), 1)


def heat_targets(
    joints: Array, size: tuple[int, int], known: Array, settings: HggTargetSettings
) -> HeatTargets:
    """Gaussians of all people, the highest wins, and the loss's mask.

    Args:
        joints: (P, K + 1, 3) cells, label; the last is the centre. The wider Gaussian goes to
            indices from 17 on, so CrowdPose's centre (index 14) gets the narrow one, as released.
        size: (width, height) of the maps.
        known: (height, width) 0 in crowds and on people without keypoints, else 1.
        settings: sizes.
    """
    width, height = size
    heat = np.zeros((joints.shape[1], height, width), np.float32)
    patches = np.zeros((joints.shape[1], height, width), bool)
    for person in joints:
        for index in np.flatnonzero(person[:, 2] > 0):
            sigma = settings.sigma if index < JOINTS else settings.centre_sigma
            _draw(heat[index], patches[index], person[index, :2], sigma)
    shared = np.asarray(patches.any(0))[None]
    counted = shared if settings.mask is MaskRule.SHARED else patches
    weight = np.where(counted, 1.0, settings.background) * known
    return HeatTargets(heat, weight.astype(np.float32))


def _draw(heat: Array, patch: NDArray[np.bool_], at: Array, sigma: float) -> None:
    """The maximum of what is there and a Gaussian, within 3 sigma and a cell or two."""
    height, width = heat.shape
    x, y = (float(value) for value in at)
    if not (0 <= x < width and 0 <= y < height):
        return
    reach = 3 * sigma
    columns = np.arange(
        max(0, int(np.floor(x - reach - 1))), min(width, int(np.ceil(x + reach + 2)))
    )
    rows = np.arange(max(0, int(np.floor(y - reach - 1))), min(height, int(np.ceil(y + reach + 2))))
    bell = np.exp(-((columns[None] - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * sigma**2))
    where = np.ix_(rows, columns)
    heat[where] = np.maximum(heat[where], bell)
    patch[where] = True


def offset_targets(
    joints: Array, areas: Array, size: tuple[int, int], radius: int
) -> tuple[Array, Array]:
    """Cell minus joint on a window of 2 radius cells about each centre; the smaller person wins.

    Args:
        joints: (P, K + 1, 3) cells, label; the last is the centre.
        areas: (P,) that weigh a person: `box_areas` (HGG) or `dekr_areas`, input pixels squared.
        size: (width, height) of the maps.
        radius: 4.

    Returns:
        (2 K, h, w) offsets; (2 K, h, w) weights 1 / sqrt(area), 0 where nobody is responsible.
    """
    width, height = size
    K = joints.shape[1] - 1
    offset = np.zeros((K, 2, height, width), np.float32)
    weight = np.zeros((K, 2, height, width), np.float32)
    owner = np.full((K, height, width), np.inf)
    limit = np.array([width, height])
    for person, area in zip(joints, areas, strict=True):
        centre = person[-1, :2].astype(int)
        if person[-1, 2] < 1 or (centre < 0).any() or (centre >= limit).any():
            continue
        left, top = np.maximum(centre - radius, 0)
        right, below = np.minimum(centre + radius, limit)
        rows, columns = np.mgrid[top:below, left:right]
        for index in np.flatnonzero(person[:-1, 2] > 0):
            x, y = person[index, :2]
            if not (0 <= x < width and 0 <= y < height):
                continue
            mine = area <= owner[index, rows, columns]
            r, c = rows[mine], columns[mine]
            owner[index, r, c] = area
            offset[index, :, r, c] = np.stack((c - x, r - y), -1)
            weight[index, :, r, c] = 1 / np.sqrt(area)
    return offset.reshape(2 * K, height, width), weight.reshape(2 * K, height, width)


def dekr_areas(joints_px: Array) -> Array:
    """(P,) DEKR's scale: the extent's width^2 + height^2 with unlabelled joints at (0, 0) in it.

    These zeros (and the unset centre) make it max_x^2 + max_y^2, an oversight, kept.

    Args:
        joints_px: (P, K, 3) input pixels, label.
    """
    farthest = np.where(joints_px[:, :, 2:] > 0, joints_px[:, :, :2], 0).max(1)
    area: Array = (farthest**2).sum(-1)
    return area
