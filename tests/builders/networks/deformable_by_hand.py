"""Deformable convolution in plain float64 NumPy: four corners per tap, zero outside."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

Array = NDArray[np.float64]


def corner_sample(channel_maps: Array, y: float, x: float) -> Array:
    """(C, H, W) at one point: every corner counts as 0 where it lies outside."""
    _, H, W = channel_maps.shape
    top, left = int(np.floor(y)), int(np.floor(x))
    total = np.zeros(channel_maps.shape[0])
    for row, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_share in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < H and 0 <= column < W:
                total += channel_maps[:, row, column] * row_share * column_share
    return total


def deformable(x: Array, offset: Array, weight: Array, dilation: int, groups: int) -> Array:
    """(B, C, H, W), (B, groups * 18, H, W), (O, C, 3, 3) to (B, O, H, W)."""
    B, C, H, W = x.shape
    out = np.zeros((B, weight.shape[0], H, W))
    per = C // groups
    for b, i, j, tap, group in np.ndindex(B, H, W, 9, groups):
        row, column = tap // 3, tap % 3
        dy, dx = offset[b, group * 18 + 2 * tap : group * 18 + 2 * tap + 2, i, j]
        run = slice(group * per, (group + 1) * per)
        at_y, at_x = i + (row - 1) * dilation + dy, j + (column - 1) * dilation + dx
        out[b, :, i, j] += weight[:, run, row, column] @ corner_sample(x[b, run], at_y, at_x)
    return out


def deformable_tensor(
    x: Tensor, offset: Tensor, weight: Tensor, dilation: int = 1, groups: int = 1
) -> Tensor:
    arrays = (x.detach().numpy(), offset.detach().numpy(), weight.detach().numpy())
    return from_numpy(deformable(*arrays, dilation, groups))


def affine_offset_by_hand(transform: Tensor) -> Tensor:
    """T R - R for (B, 4, H, W), tap by tap."""
    T = transform.detach().numpy()
    B, _, H, W = T.shape
    out = np.zeros((B, 18, H, W))
    for b, i, j in np.ndindex(B, H, W):
        matrix = T[b, :, i, j].reshape(2, 2)
        for tap in range(9):
            regular = np.array([tap // 3 - 1, tap % 3 - 1], np.float64)
            out[b, 2 * tap : 2 * tap + 2, i, j] = matrix @ regular - regular
    return from_numpy(out)
