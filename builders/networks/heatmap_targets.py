"""Gaussian targets of top-down networks and their loss.

Source: leoxiaobin/deep-high-resolution-net.pytorch, `dataset/JointsDataset.py`, `core/loss.py`.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]

SIGMA_BY_CROP_HEIGHT = {256: 2.0, 384: 3.0}
"""Cells; published for crops of 192x256 and 288x384."""


def gaussian_targets(
    joints: Array, heat_size: tuple[int, int], stride: int, sigma: float, *, exact: bool = False
) -> tuple[Array, Array]:
    """Maps with a Gaussian patch of 6 sigma + 1 cells about each known joint.

    The centre is rounded to a cell, int(x / stride + 0.5), so every patch looks the same; unless
    `exact`, where it stays (Zhang et al., "Distribution-Aware Coordinate Representation for Human
    Pose Estimation", CVPR 2020, section 3.2), so that neighbours of the peak tell where it lies.

    Args:
        joints: (K, 3): x, y in crop pixels and 0 or 1 for known.
        heat_size: (width, height) of the maps.
        stride: crop pixels per cell.
        sigma: in cells.
        exact: whether the centre stays between cells.

    Returns:
        (K, H, W) targets; (K,) weights: 0 where a joint is unknown or its patch wholly outside.
    """
    width, height = heat_size
    heat = np.zeros((len(joints), height, width), np.float32)
    weight = (joints[:, 2] > 0).astype(np.float32)
    reach = int(3 * sigma)
    for joint in np.flatnonzero(weight):
        x, y = (joints[joint, :2] / stride).tolist()
        column, row = int(x + 0.5), int(y + 0.5)
        columns = np.arange(max(0, column - reach), min(width, column + reach + 1))
        rows = np.arange(max(0, row - reach), min(height, row + reach + 1))
        if not (len(columns) and len(rows)):
            weight[joint] = 0
            continue
        if not exact:
            x, y = column, row
        distance = (columns[None] - x) ** 2 + (rows[:, None] - y) ** 2
        heat[joint, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = np.exp(
            -distance / (2 * sigma * sigma)
        )
    return heat, weight


def heatmap_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over joints of half the mean squared error, maps multiplied by the joint's weight.

    Args:
        predicted: (B, K, H, W).
        target: (B, K, H, W).
        weight: (B, K), 0 or 1.
    """
    difference = (predicted - target) * weight[:, :, None, None]
    return 0.5 * difference.square().mean()
