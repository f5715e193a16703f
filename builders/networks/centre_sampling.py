"""Cells of a pyramid, and which of them answer for which box in SMPR: FCOS's rule.

A cell answers for a box if it lies in the shrunk middle of it and the box's farthest side suits the
cell's level; where several boxes want a cell, the smallest has it. Source: Tian et al., "FCOS"
(ICCV 2019), with centre sampling as in SMPR's released code.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STRIDES = (8, 16, 32, 64, 128)
"""Of P3 to P7; smaller networks have the first ones only."""
LIMITS = (64, 128, 256, 512)
"""Pixels: a box belongs to the next level if its farthest side is beyond."""
RADIUS = 1.5
"""Half the side of the shrunk middle, in strides (SMPR's paper calls it the side)."""


@dataclass(frozen=True, slots=True, eq=False)
class Locations:
    """All cells of all levels of one picture, P3 first."""

    points: Tensor
    """(P, 2) pixels."""
    strides: Tensor
    """(P,)."""
    ranges: Tensor
    """(P, 2) pixels: farthest box side from the cell, least and most."""


def level_points(height: int, width: int, stride: int, like: Tensor) -> Tensor:
    """(height * width, 2) x, y of the cells in pixels: stride * i + stride // 2."""
    x = torch.arange(width, device=like.device) * stride + stride // 2
    y = torch.arange(height, device=like.device) * stride + stride // 2
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((columns, rows), -1).reshape(-1, 2).to(like.dtype)


def level_ranges(levels: int) -> list[tuple[float, float]]:
    """Pixels, least and most farthest side of each level; the last one takes all larger boxes."""
    limits = (-1.0, *(float(limit) for limit in LIMITS[: levels - 1]), float("inf"))
    return list(itertools.pairwise(limits))


def locations(sizes: Sequence[tuple[int, int]], like: Tensor) -> Locations:
    """The cells of levels with the given (height, width)."""
    points = [
        level_points(*size, stride, like) for size, stride in zip(sizes, STRIDES, strict=False)
    ]
    counts = torch.tensor([len(level) for level in points], device=like.device)
    strides = torch.tensor(STRIDES[: len(sizes)], dtype=like.dtype, device=like.device)
    ranges = torch.tensor(level_ranges(len(sizes)), dtype=like.dtype, device=like.device)
    return Locations(
        torch.cat(points),
        strides.repeat_interleave(counts),
        ranges.repeat_interleave(counts, 0),
    )


def suiting(where: Locations, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) whether some box suits a location; (P,) the smallest one that does.

    Args:
        where: P locations.
        boxes: (G, 4) left, top, right, bottom in pixels, G above 0; sides are a pixel longer than
            right - left, as SMPR counts.
    """
    x, y = where.points[:, :1], where.points[:, 1:]
    left, top, right, bottom = boxes.t()[:, None]
    farthest = torch.stack((x - left, y - top, right - x, bottom - y)).amax(0)  # (P, G)
    suits = (farthest >= where.ranges[:, :1]) & (farthest <= where.ranges[:, 1:])
    radius = where.strides[:, None] * RADIUS
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    inside = (x > torch.maximum(middle_x - radius, left)) & (
        x < torch.minimum(middle_x + radius, right)
    )
    inside &= (y > torch.maximum(middle_y - radius, top)) & (
        y < torch.minimum(middle_y + radius, bottom)
    )
    area = ((right - left + 1) * (bottom - top + 1)).expand_as(farthest)
    smallest, owner = area.masked_fill(~(suits & inside), float("inf")).min(1)
    return smallest.isfinite(), owner


def flat(levels: Sequence[Tensor]) -> Tensor:
    """(B, C, H, W) of every level to (B, P, C), P3 first."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)


def best_cells(score: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The best cells of a level: scores and indices, (B, most) each, whatever the level's size.

    Args:
        score: (B, P), above 0.
        most: of each picture; where P is smaller the rest has score 0 and the last cell's index.
    """
    filled = functional.pad(score, (0, most))
    values, cells = filled.topk(most, 1)
    return values, cells.clamp(max=score.shape[1] - 1)


def cells_of(level: Tensor, cells: Tensor) -> Tensor:
    """(B, C, H, W) and (B, M) indices to (B, M, C)."""
    index = cells[:, None].expand(-1, level.shape[1], -1)
    return level.flatten(2).gather(2, index).transpose(1, 2)
