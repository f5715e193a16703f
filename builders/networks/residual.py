"""Residual blocks of He et al. (CVPR 2016) with torchvision's key names, and normal weights."""

from torch import Tensor, nn
from torch.nn import functional

EXPANSION = 4
"""Output channels of a bottleneck over its inner channels."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a residual; keys `conv1 bn1 conv2 bn2`.

    Args:
        channels: in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + x)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a residual; keys `conv1..3 bn1..3`, and `downsample` if the shape changes.

    Args:
        inputs: channels in.
        planes: inner channels; out come four times as many.
        strides: of the first 1x1 and of the 3x3: pytorch (1, s), caffe (s, 1).
    """

    def __init__(self, inputs: int, planes: int, strides: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        outputs = planes * EXPANSION
        self.conv1 = nn.Conv2d(inputs, planes, 1, strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, strides[1], padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        stride = strides[0] * strides[1]
        self.downsample: nn.Module = nn.Identity()  # has no keys
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 4 planes, H / s, W / s)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def pointwise(inputs: int, outputs: int) -> nn.Sequential:
    """1x1 convolution without bias, batch norm, ReLU; keys `0` and `1`."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def initialise_normal(network: nn.Module, deviation: float = 0.001) -> None:
    """All convolutions N(0, deviation) with zero bias, as the HRNet family starts without ImageNet.

    Batch norms keep torch's start (scale 1, shift 0), which is the papers' as well.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
