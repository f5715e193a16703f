"""Training targets of heatmap-guided bottom-up networks (HGG's released code), for one picture.

Map cell i lies at canvas pixel `stride * i + (stride - 1) / 2`. Compact settings differ from the
paper's by smaller Gaussians, as people are small on a compact canvas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.training.labels import JOINTS, Person

Map = NDArray[np.float32]

MIN_EXTENT_CELLS = 6.0
"""Of a person's sides in the weight of its offsets: three face joints must not outweigh a body."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Sizes in map cells."""

    stride: int = 4
    heat_sigma: float = 1.5
    centre_sigma: float = 2.0
    offset_radius: int = 3
    """Offsets are learnt on cells [c - r, c + r) about a person's centre."""
    background_weight: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What a picture's maps should be. K = 17 joints, then the centre."""

    heat: Map
    """(18, H, W) the maximum over people of a Gaussian about each joint, and about each centre."""
    heat_weight: Map
    """(18, H, W) 1 inside a joint's own patches, small elsewhere, 0 where unknown (per-joint masks
    as in the paper and in DEKR; HGG's code has one map for all joints)."""
    offset: Map
    """(34, H, W) cell minus joint, in cells."""
    offset_weight: Map
    """(34, H, W) 0 where no person is responsible or its joint is unknown."""


def make_targets(
    people: Sequence[Person],
    background: Map,
    settings: TargetSettings,
) -> Targets:
    """Targets for a canvas.

    Args:
        people: in canvas pixels.
        background: (H, W) of cells, how surely a cell without a label is background, in [0, 1].
        settings: sizes.
    """
    H, W = background.shape
    heat = np.zeros((JOINTS + 1, H, W), np.float32)
    weight = np.repeat(background[None] * settings.background_weight, JOINTS + 1, axis=0)
    offset = np.zeros((2 * JOINTS, H, W), np.float32)
    offset_weight = np.zeros((2 * JOINTS, H, W), np.float32)
    owner_area = np.full((H, W), np.inf, np.float32)
    for person in people:
        _hide_unknown(weight, person, settings)
    for person in people:
        if not person.ignored:
            cells = to_cells(person.keypoints, settings)
            _draw_person(heat, weight, cells, settings)
            _draw_offsets((offset, offset_weight, owner_area), cells, settings)
    return Targets(heat, weight, offset, offset_weight)


def to_cells(keypoints: Map, settings: TargetSettings) -> Map:
    """(17, 3) canvas pixels to map cells; weights stay."""
    cells = keypoints.copy()
    cells[:, :2] = (cells[:, :2] + 0.5) / settings.stride - 0.5
    return cells


def centre_of(cells: Map) -> tuple[float, float] | None:
    """Mean of the known joints (HGG); None if fewer than three are known."""
    known = cells[:, 2] > 0
    if known.sum() < 3:
        return None
    x, y = cells[known, :2].mean(0)
    return float(x), float(y)


def _hide_unknown(weight: Map, person: Person, settings: TargetSettings) -> None:
    """No verdict inside the box of an ignored person, nor on joints nobody labelled."""
    x, y, w, h = person.box / settings.stride
    rows = slice(max(0, int(y)), max(0, int(np.ceil(y + h))))
    columns = slice(max(0, int(x)), max(0, int(np.ceil(x + w))))
    if person.ignored:
        weight[:, rows, columns] = 0
    elif not person.absent_is_background:
        for joint in np.flatnonzero(person.keypoints[:, 2] == 0):
            weight[joint, rows, columns] = 0


def _draw_person(heat: Map, weight: Map, cells: Map, settings: TargetSettings) -> None:
    for joint, (x, y, known) in enumerate(cells):
        if known > 0:
            sure = float(known)
            draw_gaussian((heat[joint], weight[joint]), (x, y), settings.heat_sigma, sure)
    centre = centre_of(cells)
    if centre is not None:
        draw_gaussian((heat[-1], weight[-1]), centre, settings.centre_sigma, 1.0)


def draw_gaussian(
    maps: tuple[Map, Map], at: tuple[float, float], sigma: float, sure: float
) -> None:
    """Draws into (heat, weight), each (H, W): the maximum of what is there and a Gaussian patch."""
    heat, weight = maps
    reach = int(np.ceil(3 * sigma))
    x, y = at
    left, top = max(0, round(x) - reach), max(0, round(y) - reach)
    right, bottom = (
        min(heat.shape[1], round(x) + reach + 1),
        min(heat.shape[0], round(y) + reach + 1),
    )
    if left >= right or top >= bottom:
        return
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    columns = np.arange(left, right, dtype=np.float32)[None]
    bell = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma * sigma))
    patch = (slice(top, bottom), slice(left, right))
    heat[patch] = np.maximum(heat[patch], bell)
    weight[patch] = np.maximum(weight[patch], sure)


def _draw_offsets(maps: tuple[Map, Map, Map], cells: Map, settings: TargetSettings) -> None:
    """Offsets about the centre; where people overlap the smaller one wins (released code)."""
    offset, offset_weight, owner_area = maps
    centre = centre_of(cells)
    if centre is None:
        return
    H, W = owner_area.shape
    r = settings.offset_radius
    x, y = round(centre[0]), round(centre[1])
    rows = np.arange(max(0, y - r), min(H, y + r))
    columns = np.arange(max(0, x - r), min(W, x + r))
    known = cells[:, 2] > 0
    extent = np.maximum(np.ptp(cells[known, :2], axis=0), MIN_EXTENT_CELLS) * settings.stride
    area = float(extent[0] * extent[1])
    gy, gx = np.meshgrid(rows, columns, indexing="ij")
    mine = area < owner_area[gy, gx]
    gy, gx = gy[mine], gx[mine]
    owner_area[gy, gx] = area
    at = np.stack((gx, gy), -1)[:, None] - cells[None, :, :2]  # (n, 17, 2)
    offset[:, gy, gx] = at.reshape(-1, 2 * JOINTS).T
    sure = np.repeat(cells[:, 2], 2) / np.sqrt(area)
    offset_weight[:, gy, gx] = sure[:, None]
