"""SMPR as it is exported: canvas in, candidates out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from builders.networks.centre_sampling import STRIDES, level_points
from builders.networks.smpr import SmprMaps
from builders.networks.smpr_decode import SmprDecodeSettings, candidates

COMPACT_DECODE = SmprDecodeSettings(per_level=64)
"""For a few people on a small canvas: each has up to nine cells in a level."""


class SmprGraph(nn.Module):
    """The exported model: canvas uint8 (B, H, W, 3) RGB in, keypoints and scores out.

    Args:
        network: `Smpr` or `CompactSmpr`.
        pixels: canvas to the network's input.
        settings: `per_level` and `person` are used; suppression is a batched step after the graph.
    """

    def __init__(
        self,
        network: nn.Module,
        pixels: Callable[[Tensor], Tensor],
        settings: SmprDecodeSettings,
    ) -> None:
        super().__init__()
        self.network, self.pixels, self.settings = network, pixels, settings

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, M, 17, 3) canvas px and confidence; scores (B, M), 0 for no person.

        M is `per_level` times the number of levels; sides are multiples of 32.
        """
        return self.decoded(self.network(self.pixels(canvas)))

    def decoded(self, maps: SmprMaps) -> tuple[Tensor, Tensor]:
        """The network's maps to the outputs."""
        found = candidates(maps, last_pixel(maps), self.settings)
        sure = found.person > self.settings.person
        scores = torch.where(sure, found.score, torch.zeros_like(found.score))
        return torch.cat((found.keypoints, found.confidence[..., None]), -1), scores


def last_pixel(maps: SmprMaps) -> Tensor:
    """(2,) x, y of a canvas that P3 covers; in tensors, so that an export keeps it open."""
    H, W = maps.person[0].shape[-2:]
    points = level_points(H, W, STRIDES[0], maps.person[0])
    return points[-1] + (STRIDES[0] - STRIDES[0] // 2 - 1)
