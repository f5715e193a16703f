"""Top-down heatmaps to keypoints, between the cells, with the flip test.

Source: leoxiaobin/deep-high-resolution-net.pytorch, `core/inference.py` and `core/function.py`.
Cell i of a stride-s map lies at crop pixel s * i: the half pixel is not corrected (no UDP).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from stream.skeleton import COCO_17

FLIP_ORDER = tuple(COCO_17.flip_order().tolist())
"""Index of each joint's mirror image."""

QUARTER = 0.25
VISIBLE = 0.2
"""Joints with a maximum above count in the person's score."""
LEAST_HEAT = 1e-6
"""Of which a logarithm is taken."""

PeakFinder = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Heat (B, K, H, W) to (B, K, 2) x, y in cells and (B, K) maxima."""


def peaks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """The highest cell of each map, moved a quarter cell towards its higher neighbours.

    A map whose maximum is not positive gives (0, 0). No move at columns and rows 0, 1 and last
    (column W - 2 does move): `1 < x < W - 1`, as published.

    Args:
        heat: (B, K, H, W).

    Returns:
        (B, K, 2) x, y in cells; (B, K) maxima.
    """
    _, _, H, W = heat.shape
    value, cell = heat.flatten(2).max(-1)
    cell = cell * (value > 0)
    x, y = cell % W, torch.div(cell, W, rounding_mode="floor")
    padded = functional.pad(heat, (1, 1, 1, 1), mode="replicate").flatten(2)
    here = ((y + 1) * (W + 2) + x + 1)[..., None]
    dx = padded.gather(2, here + 1) - padded.gather(2, here - 1)
    dy = padded.gather(2, here + W + 2) - padded.gather(2, here - W - 2)
    inside = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)
    move = torch.cat((dx, dy), -1).sign() * QUARTER * inside[..., None].to(heat.dtype)
    return torch.stack((x, y), -1).to(heat.dtype) + move, value


def smooth_peaks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """The top of a Gaussian through the highest cell of the smoothed map and its neighbours.

    DARK (Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation",
    CVPR 2020; ilovepose/DarkPose, `lib/core/inference.py`, `gaussian_blur` and `taylor`): maps are
    smoothed, their logarithm is a parabola about the peak. Ours: a mean of 3x3 cells smooths, and x
    and y are solved one by one, without the mixed derivative. At most half a cell away from the
    highest one, along the border not across it. Means at the border are of fewer cells, which draws
    peaks within a cell of it onto it.

    Args:
        heat: (B, K, H, W), at least 0.

    Returns:
        (B, K, 2) x, y in cells; (B, K) maxima of the map as it was.
    """
    _, _, H, W = heat.shape
    smooth = functional.avg_pool2d(heat, 3, 1, 1, count_include_pad=False)
    cell = smooth.flatten(2).argmax(-1)
    x, y = cell % W, torch.div(cell, W, rounding_mode="floor")
    logs = functional.pad(smooth, (1, 1, 1, 1), mode="replicate").clamp(min=LEAST_HEAT).log()
    here = ((y + 1) * (W + 2) + x + 1)[..., None]
    logs = logs.flatten(2)
    top = logs.gather(2, here)
    moves = []
    for step, at, size in ((1, x, W), (W + 2, y, H)):
        after, before = logs.gather(2, here + step), logs.gather(2, here - step)
        curve = (2 * top - after - before).clamp(min=LEAST_HEAT)
        inside = ((at > 0) & (at < size - 1)).to(heat.dtype)[..., None]
        moves.append(((after - before) / (2 * curve)).clamp(-0.5, 0.5) * inside)
    points = torch.stack((x, y), -1).to(heat.dtype) + torch.cat(moves, -1)
    return points, heat.flatten(2).amax(-1)


def mirrored(heat: Tensor) -> Tensor:
    """(B, 17, H, W) maps of the mirrored crop, flipped back, left and right joints swapped."""
    return heat.flip(3)[:, list(FLIP_ORDER)]


def flip_average(heat: Tensor, heat_of_mirror: Tensor) -> Tensor:
    """Mean of a crop's maps and those of its mirror image, the latter shifted by one column.

    SHIFT_HEATMAP: columns 1.. take columns 0..-1, column 0 keeps its value, because stride-4 maps
    of a mirrored crop lie almost one cell beside.

    Args:
        heat: (B, 17, H, W).
        heat_of_mirror: (B, 17, H, W), as the network gave them.
    """
    back = mirrored(heat_of_mirror)
    return (heat + torch.cat((back[..., :1], back[..., :-1]), -1)) * 0.5


def to_crop(points: Tensor, heat_size: tuple[int, int], crop_size: tuple[int, int]) -> Tensor:
    """(..., 2) cells to crop pixels: x times crop width over map width, no half pixel.

    Args:
        points: x, y in cells.
        heat_size: (width, height) of the maps.
        crop_size: (width, height) of the crop.
    """
    ratio = [crop / heat for crop, heat in zip(crop_size, heat_size, strict=True)]
    return points * torch.tensor(ratio, dtype=points.dtype, device=points.device)


def person_scores(values: Tensor, box_scores: Tensor) -> Tensor:
    """(N,): mean of the maxima above 0.2 times the box score; 0 if none is above.

    Args:
        values: (N, K) maxima.
        box_scores: (N,).
    """
    visible = (values > VISIBLE).to(values.dtype)
    return (values * visible).sum(-1) / visible.sum(-1).clamp(min=1) * box_scores
