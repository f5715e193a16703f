"""Losses of HGG and DEKR; source: released `core/loss.py`."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.hgg import HggMaps

SMOOTH_BETA = 1 / 9
HGG_OFFSET_WEIGHT, DEKR_OFFSET_WEIGHT = 0.01, 0.03


@dataclass(frozen=True, slots=True, eq=False)
class HggBatch:
    """Targets of a batch."""

    heat: Tensor
    """(B, 18, h, w)."""
    heat_weight: Tensor
    """(B, 1 or 18, h, w)."""
    offset: Tensor
    """(B, 34, h, w)."""
    offset_weight: Tensor
    """(B, 34, h, w)."""
    fine_heat: Tensor | None = None
    """(B, 17, 2 h, 2 w) with HigherHRNet."""
    fine_weight: Tensor | None = None
    """(B, 1, 2 h, 2 w), background 0.025."""


def masked_heat_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of the squared error times the mask, which is applied once (the paper squares it)."""
    return ((predicted - target).square() * weight).mean()


def offset_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Smooth L1 (beta 1/9) times the weight, over the number of entries that have one."""
    error = functional.smooth_l1_loss(predicted, target, reduction="none", beta=SMOOTH_BETA)
    return (error * weight).sum() / (weight > 0).sum().clamp(min=1)


def hgg_loss(maps: HggMaps, batch: HggBatch, offset_weight: float) -> dict[str, Tensor]:
    """The losses, weighted; their sum is trained.

    Args:
        maps: of HGG (`HGG_OFFSET_WEIGHT`) or DEKR (`DEKR_OFFSET_WEIGHT`).
        batch: targets.
        offset_weight: of the offset loss.
    """
    coarse = [masked_heat_loss(heat, batch.heat, batch.heat_weight) for heat in maps.heat]
    losses = {
        "heat": torch.stack(coarse).mean(),
        "offset": offset_weight * offset_loss(maps.offset, batch.offset, batch.offset_weight),
    }
    if maps.fine_heat is not None and batch.fine_heat is not None and batch.fine_weight is not None:
        losses["fine_heat"] = masked_heat_loss(maps.fine_heat, batch.fine_heat, batch.fine_weight)
    return losses
