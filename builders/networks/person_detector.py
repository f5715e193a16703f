"""Anchor-free person detector on the compact pyramid: a box and a score at every cell.

Sources: FCOS (Tian et al., ICCV 2019) for the head, whose weights all levels share; its decoupled
branches as in YOLOX (Ge et al., 2021); the score says how well the box fits instead of only that a
person is there (Li et al., "Generalized Focal Loss", NeurIPS 2020), so one output ranks boxes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from builders.networks.centre_sampling import best_cells, cells_of, level_points
from builders.networks.compact_pyramid import (
    NORM_GROUPS,
    STRIDES,
    CompactPyramid,
    compact_pixels,
)
from builders.networks.smpr import (
    LevelScale,
    NormedConvolution,
    head_output,
    start_rare,
    through,
)

START_STRIDES = 4.0
"""Distance of every edge that new weights predict."""
MOST_LOG = 5.0
"""Bound of log distances in strides: an untrained network must not overflow."""
PER_LEVEL = 64
"""Candidates of each level."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorMaps:
    """What the head predicts, one entry per level."""

    person: tuple[Tensor, ...]
    """(B, 1, H, W) logits: how well the cell's box fits a person (IoU), 0 for none."""
    edges: tuple[Tensor, ...]
    """(B, 4, H, W) distances from the cell to the left, top, right, bottom edge, in strides."""


class DetectorHead(nn.Module):
    """The head, with one set of weights for all levels but the scale.

    Args:
        channels: of the levels.
        convolutions: of each branch.
    """

    def __init__(self, channels: int, convolutions: int) -> None:
        super().__init__()
        self.person_convs, self.edge_convs = (
            nn.ModuleList(
                NormedConvolution(channels, channels, NORM_GROUPS) for _ in range(convolutions)
            )
            for _ in range(2)
        )
        self.person_out, self.edge_out = head_output(channels, 1), head_output(channels, 4)
        self.scales = nn.ModuleList(LevelScale() for _ in STRIDES)
        start_rare(self.person_out)
        if self.edge_out.bias is not None:
            nn.init.constant_(self.edge_out.bias, math.log(START_STRIDES))

    def forward(self, levels: Sequence[Tensor]) -> DetectorMaps:
        """Levels, finest first, (B, C, H, W) each."""
        person = tuple(self.person_out(through(self.person_convs, x)) for x in levels)
        edges = tuple(self._edges(x, index) for index, x in enumerate(levels))
        return DetectorMaps(person, edges)

    def _edges(self, x: Tensor, index: int) -> Tensor:
        log = self.scales[index](self.edge_out(through(self.edge_convs, x)))
        edges: Tensor = log.clamp(max=MOST_LOG).exp()
        return edges


class PersonDetector(nn.Module):
    """Trunk, levels and head.

    Args:
        channels: of the levels and of the head; a multiple of 16.
        convolutions: of each branch of the head.
    """

    def __init__(self, channels: int = 64, convolutions: int = 2) -> None:
        super().__init__()
        self.pyramid = CompactPyramid(channels)
        self.head = DetectorHead(channels, convolutions)

    def forward(self, pixels: Tensor) -> DetectorMaps:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32."""
        maps: DetectorMaps = self.head(self.pyramid(pixels).features)
        return maps


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
        scores, cells = best_cells(maps.person[level].sigmoid().flatten(1), self.per_level)
        H, W = maps.person[level].shape[-2:]
        edges = cells_of(maps.edges[level], cells) * STRIDES[level]
        points = level_points(H, W, STRIDES[level], edges)[cells]
        return boxes_at(points, edges), scores


def boxes_at(points: Tensor, edges: Tensor) -> Tensor:
    """(..., 2) x, y and (..., 4) distances to the edges: left, top, right, bottom (..., 4)."""
    return torch.cat((points - edges[..., :2], points + edges[..., 2:]), -1)
