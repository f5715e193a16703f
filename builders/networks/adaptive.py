"""Adaptive transformation unit of heatmap-guided bottom-up pose estimation (HGG).

Source: "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression"'s predecessor with
heatmap guidance, class `STNBLOCK` of its released code: a 3x3 deformable convolution whose nine
taps are one 2x2 matrix T per pixel times the regular grid. Deformable sampling is written as
GridSample followed by a 1x1 convolution: the one form that TensorRT, TensorRT-RTX, OpenVINO and
ONNX Runtime all build.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
COLUMNS = (-1.0, 0.0, 1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0)
"""The regular 3x3 grid R, (y, x) per tap in row-major tap order."""


def sample_transformed_taps(features: Tensor, transform: Tensor, dilation: int) -> Tensor:
    """Samples nine taps around each pixel, at (dilation - 1) R + T R.

    Bilinear; each of the four corners reads 0 outside the map (as in DCNv1's kernel).

    Args:
        features: (B, C, H, W).
        transform: (B, 4, H, W), the 2x2 matrix T row-major: (yy, yx, xy, xx).
        dilation: of the regular grid; 1 leaves only T R.

    Returns:
        (B, C * 9, H, W), the nine taps of a channel side by side.
    """
    B, C, H, W = features.shape
    rows = torch.tensor(ROWS, dtype=features.dtype).view(1, 9, 1, 1)
    columns = torch.tensor(COLUMNS, dtype=features.dtype).view(1, 9, 1, 1)
    yy, yx, xy, xx = (transform[:, i : i + 1] for i in range(4))  # (B, 1, H, W)
    own_y = torch.arange(H, dtype=features.dtype).view(1, 1, -1, 1) + (dilation - 1) * rows
    own_x = torch.arange(W, dtype=features.dtype).view(1, 1, 1, -1) + (dilation - 1) * columns
    y = own_y + yy * rows + yx * columns  # (B, 9, H, W)
    x = own_x + xy * rows + xx * columns
    grid = torch.stack((x * (2.0 / (W - 1)) - 1, y * (2.0 / (H - 1)) - 1), -1)
    taps = functional.grid_sample(
        features, grid.reshape(B, 9 * H, W, 2), "bilinear", "zeros", align_corners=True
    )
    return taps.reshape(B, C * 9, H, W)


class AdaptiveConvolution(nn.Module):
    """A 3x3 convolution, C to C, over taps placed by a transform; dilations may share it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(channels * 9, channels, 1, bias=False)

    def forward(self, features: Tensor, transform: Tensor, dilation: int) -> Tensor:
        """(B, C, H, W), (B, 4, H, W) to (B, C, H, W)."""
        mixed: Tensor = self.weight(sample_transformed_taps(features, transform, dilation))
        return mixed


class TransformUnit(nn.Module):
    """STNBLOCK: two adaptive convolutions with a residual; both transforms come from the input.

    The released code starts all transforms at T = 0; the compact networks start at the identity (a
    plain dilated convolution), which learns faster in short schedules.

    Args:
        first: the first adaptive convolution (give the same object to several units to tie them).
        second: the second one.
        channels: C.
        dilation: of the regular grid.
    """

    def __init__(
        self, first: AdaptiveConvolution, second: AdaptiveConvolution, channels: int, dilation: int
    ) -> None:
        super().__init__()
        self.first, self.second, self.dilation = first, second, dilation
        self.transform1 = _identity_transform(channels)
        self.transform2 = _identity_transform(channels)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        inner = self.first(features, self.transform1(features), self.dilation)
        inner = functional.relu(self.norm1(inner))
        inner = self.norm2(self.second(inner, self.transform2(features), self.dilation))
        return functional.relu(features + inner)


def _identity_transform(channels: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, 4, 3, padding=1)
    nn.init.zeros_(convolution.weight)
    assert convolution.bias is not None  # noqa: S101 - for the type checker; Conv2d made it above
    with torch.no_grad():
        convolution.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0]))
    return convolution
