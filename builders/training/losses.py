"""Losses of heatmap-guided bottom-up networks (HGG's released code)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.bottom_up import BottomUpMaps

SMOOTH_L1_BETA = 1 / 9


@dataclass(frozen=True, slots=True)
class LossWeights:
    """HGG's code has 0.01 for `offset`, its successor DEKR 0.03, which suits short schedules."""

    offset: float = 0.03


def bottom_up_loss(
    maps: BottomUpMaps, targets: tuple[Tensor, Tensor, Tensor, Tensor], weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss, and its parts by name.

    Args:
        maps: predictions of a batch.
        targets: heat (B, 18, H, W), its weight, offset (B, 34, H, W), its weight.
        weights: of the parts.
    """
    heat, heat_weight, offset, offset_weight = targets
    predicted = torch.cat((maps.heat, maps.centre), 1).float()
    heat_loss = ((predicted - heat) ** 2 * heat_weight).mean()
    error = functional.smooth_l1_loss(
        maps.offset.float(), offset, reduction="none", beta=SMOOTH_L1_BETA
    )
    positive = (offset_weight > 0).sum().clamp(min=1)
    offset_loss = (error * offset_weight).sum() / positive
    total = heat_loss + weights.offset * offset_loss
    return total, {"heat": heat_loss, "offset": offset_loss}
