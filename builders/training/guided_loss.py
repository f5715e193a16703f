"""What the top-down network learns whose maps know which person is meant."""

import torch
from torch import Tensor

from builders.networks.guided_heatmaps import GuidedMaps
from builders.networks.heatmap_targets import heatmap_loss

GUESS_WEIGHT = 1e-4
"""Brings the guess's gradient (a cell is 1) near that of the maps in the layers that they share: at
5e-3 it was 20 to 140 times as large, and the maps hardly learnt."""
CENTRE_SIGMA = 2.0
"""Cells."""
CENTRE_WEIGHT = 0.1
"""A joint's map weighs 1/17."""
GUESS_CELLS = 2.5
"""Cells that near to the centre learn to guess."""


def guided_parts(found: GuidedMaps, xy: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """Losses of the centre and of the guess, weighted; those of the joints' maps are others.

    Args:
        found: in floats.
        xy: (B, 17, 2) true joints in cells.
        weight: (B, 17), 0 where not known.
    """
    middle, known = centres(xy, weight)
    wanted = around(middle, found.centre.shape[-2:], CENTRE_SIGMA)[:, None]
    return {
        "centre": CENTRE_WEIGHT * heatmap_loss(found.centre, wanted, known[:, None]),
        "guess": GUESS_WEIGHT * guess_loss(found.regress, middle, xy, weight),
    }


def centres(xy: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 2) means of the known joints, (B,) 1 where there are any.

    Args:
        xy: (B, 17, 2) cells.
        weight: (B, 17), 0 where not known.
    """
    known = (weight > 0).to(xy.dtype)
    count = known.sum(1)
    return (xy * known[..., None]).sum(1) / count.clamp(min=1)[:, None], (count > 0).to(xy.dtype)


def around(middle: Tensor, size: torch.Size, sigma: float) -> Tensor:
    """(B, H, W) Gaussians about (B, 2) x, y in cells."""
    return torch.exp(-_squared(middle, size) / (2 * sigma**2))


def guess_loss(regress: Tensor, middle: Tensor, xy: Tensor, weight: Tensor) -> Tensor:
    """Mean distance along x and y, in cells, of the guesses about the centres.

    Args:
        regress: (B, 34, H, W), see `GuidedMaps`.
        middle: (B, 2) cells.
        xy: (B, 17, 2) cells.
        weight: (B, 17), 0 where not known.
    """
    B, _, H, W = regress.shape
    near = (_squared(middle, regress.shape[-2:]) <= GUESS_CELLS**2).to(regress.dtype)  # (B, H, W)
    y, x = _grid(regress.shape[-2:], regress)
    cells = torch.stack((y.expand(H, W), x.expand(H, W)))  # (2, H, W)
    wanted = xy.flip(-1)[..., None, None] - cells  # (B, 17, 2, H, W)
    error = (regress.reshape(B, -1, 2, H, W) - wanted).abs().mean(2)
    weights = near[:, None] * weight[..., None, None]
    return (error * weights).sum() / weights.sum().clamp(min=1)


def _squared(middle: Tensor, size: torch.Size) -> Tensor:
    y, x = _grid(size, middle)
    return (x - middle[:, 0, None, None]) ** 2 + (y - middle[:, 1, None, None]) ** 2


def _grid(size: torch.Size, like: Tensor) -> tuple[Tensor, Tensor]:
    """(H, 1) rows and (1, W) columns."""
    y, x = (torch.arange(count, device=like.device, dtype=like.dtype) for count in size)
    return y[:, None], x[None]
