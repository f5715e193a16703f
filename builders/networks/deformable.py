"""Deformable 3x3 convolution (Dai et al., ICCV 2017) as GridSample and a 1x1 convolution.

This is the one form that TensorRT, TensorRT-RTX, OpenVINO and ONNX Runtime all build. Rule, the
same in DCNv1's kernel, torchvision and ONNX DeformConv: the offset channels of each offset group
are (y, x) pairs in row-major tap order; bilinear; each of the four corners reads 0 outside.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

REGULAR_GRID = (
    (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0),
    (-1.0, 0.0, 1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0),
)
"""R, the nine taps of a 3x3 kernel: their y, then their x."""


def sample_taps(features: Tensor, offset: Tensor, dilation: int = 1, groups: int = 1) -> Tensor:
    """Samples nine taps around each pixel, at dilation * R + offset.

    Args:
        features: (B, C, H, W); its channels fall into `groups` runs, each with its own offsets.
        offset: (B, groups * 18, H, W) in pixels, (y, x) pairs per tap.
        dilation: of the regular grid R.
        groups: of offsets.

    Returns:
        (B, C * 9, H, W), the nine taps of a channel side by side.
    """
    B, C, H, W = features.shape
    # Positions need more digits than bfloat16 has: 8 bits cannot tell pixel 256 from 257.
    dtype = torch.promote_types(offset.dtype, torch.float32)
    move = offset.to(dtype).reshape(B * groups, 9, 2, H, W)
    y = move[:, :, 0] + _rest(H, 0, dilation, move).reshape(1, 9, H, 1)
    x = move[:, :, 1] + _rest(W, 1, dilation, move).reshape(1, 9, 1, W)
    # align_corners=False has pixel i at (2 i + 1) / size - 1, which holds for one row too.
    grid = torch.stack(((2 * x + 1) / W - 1, (2 * y + 1) / H - 1), -1)
    taps = functional.grid_sample(
        features.to(dtype).reshape(B * groups, C // groups, H, W),
        grid.reshape(B * groups, 9 * H, W, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return taps.reshape(B, C * 9, H, W).to(features.dtype)


def _rest(size: int, axis: int, dilation: int, like: Tensor) -> Tensor:
    """(9, size): where the taps of each row or column lie without offset."""
    taps = torch.tensor(REGULAR_GRID[axis], dtype=like.dtype, device=like.device)
    return torch.arange(size, dtype=like.dtype, device=like.device) + dilation * taps[:, None]


class DeformableConvolution(nn.Module):
    """3x3, stride 1, padding = dilation, no bias; key `weight` (outputs, inputs, 3, 3).

    Starts uniform within 1 / sqrt(9 inputs), as DCNv1 and torchvision do.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.dilation, self.groups = dilation, groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        bound = (inputs * 9) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, features: Tensor, offset: Tensor) -> Tensor:
        """(B, inputs, H, W) and (B, groups * 18, H, W) to (B, outputs, H, W)."""
        taps = sample_taps(features, offset, self.dilation, self.groups)
        return functional.conv2d(taps, self.weight.flatten(1)[:, :, None, None])


def regular_matrix() -> Tensor:
    """(2, 9) R as HGG's and DEKR's checkpoints hold it: a row of y, a row of x."""
    return torch.tensor(REGULAR_GRID)


def affine_offset(transform: Tensor, regular: Tensor) -> Tensor:
    """Offsets that bring the taps of R to T R.

    Args:
        transform: (B, 4, H, W), T row-major: (yy, yx, xy, xx).
        regular: (2, 9), R.

    Returns:
        (B, 18, H, W): T R - R as (y, x) pairs per tap.
    """
    rows, columns = regular.to(transform.dtype)[:, None, :, None, None].unbind(0)  # (1, 9, 1, 1)
    yy, yx, xy, xx = (transform[:, i : i + 1] for i in range(4))
    y = yy * rows + yx * columns - rows
    x = xy * rows + xx * columns - columns
    return torch.stack((y, x), 2).flatten(1, 2)
