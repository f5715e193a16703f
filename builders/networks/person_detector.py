"""The person detector: YOLOX-nano for one class, as boxes with a score at every cell.

Cells, their points and levels are those of `builders.networks.centre_sampling`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from builders.networks.centre_sampling import best_cells, cells_of, level_points
from builders.networks.compact_pyramid import compact_pixels
from builders.networks.yolox_nano import STRIDES, YoloxNano

MOST_LOG = 5.0
"""Bound of log sides in strides: an untrained network must not overflow."""
PER_LEVEL = 64
"""Candidates of each level."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorMaps:
    """What the network predicts, one entry per level."""

    person: tuple[Tensor, ...]
    """(B, 2, H, W) logits, see `YoloxMaps`; the score is the product of both chances."""
    edges: tuple[Tensor, ...]
    """(B, 4, H, W) distances from the cell's point to the left, top, right, bottom edge, in
    strides; below 0 where the point lies outside."""


class PersonDetector(nn.Module):
    """YOLOX-nano, its boxes as distances from the cells."""

    def __init__(self) -> None:
        super().__init__()
        self.yolox = YoloxNano()

    def forward(self, pixels: Tensor) -> DetectorMaps:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32."""
        maps = self.yolox(pixels)
        pairs = zip(maps.boxes, STRIDES, strict=True)
        return DetectorMaps(maps.person, tuple(_edges(boxes, stride) for boxes, stride in pairs))


def _edges(boxes: Tensor, stride: int) -> Tensor:
    """YOLOX counts from the outer corner of pixel 0 and from the cell's corner; we from middles."""
    centre = boxes[:, :2] - (0.5 + stride // 2) / stride
    half = boxes[:, 2:].clamp(max=MOST_LOG).exp() / 2
    return torch.cat((half - centre, half + centre), 1)


class DetectorGraph(nn.Module):
    """The exported model: canvas uint8 (B, H, W, 3) RGB in, boxes and scores out.

    Args:
        network: in evaluation mode.
        per_level: candidates of each level.
    """

    def __init__(self, network: PersonDetector, per_level: int = PER_LEVEL) -> None:
        super().__init__()
        self.network, self.per_level = network, per_level

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (B, M, 4) left, top, right, bottom in canvas px, inside it; scores (B, M).

        M is `per_level` times the number of levels; doubles are among them.
        """
        maps = self.network(compact_pixels(canvas))
        levels = [self._level(maps, level) for level in range(len(STRIDES))]
        boxes, scores = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
        H, W = maps.person[0].shape[-2:]
        corner = level_points(H, W, STRIDES[0], boxes)[-1] + STRIDES[0] / 2 - 0.5
        inside = torch.minimum(boxes.clamp(min=-0.5), corner.repeat(2))
        return inside, scores

    def _level(self, maps: DetectorMaps, level: int) -> tuple[Tensor, Tensor]:
        chances = maps.person[level].sigmoid()
        scores, cells = best_cells((chances[:, 0] * chances[:, 1]).flatten(1), self.per_level)
        H, W = maps.person[level].shape[-2:]
        edges = cells_of(maps.edges[level], cells) * STRIDES[level]
        points = level_points(H, W, STRIDES[level], edges)[cells]
        return boxes_at(points, edges), scores


def boxes_at(points: Tensor, edges: Tensor) -> Tensor:
    """(..., 2) x, y and (..., 4) distances to the edges: left, top, right, bottom (..., 4)."""
    return torch.cat((points - edges[..., :2], points + edges[..., 2:]), -1)
