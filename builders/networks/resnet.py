"""ResNet 50, 101, 152 with the key names of torchvision, in both places of the stride.

Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016).
"""

from enum import Enum

from torch import Tensor, nn
from torch.nn import functional

from builders.networks.residual import EXPANSION, Bottleneck

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Bottlenecks of layer1 to layer4 by depth."""


class Stride(Enum):
    """Which convolution of a layer's first bottleneck halves the map."""

    PYTORCH = "3x3"
    CAFFE = "first 1x1"


class ResNet(nn.Module):
    """The convolutional part, without pooling and classifier.

    Args:
        depth: 50, 101 or 152.
        stride: of the first bottleneck of layers 2 to 4.
        inputs: channels of the picture.
    """

    def __init__(self, depth: int, stride: Stride = Stride.PYTORCH, inputs: int = 3) -> None:
        super().__init__()
        counts = BLOCKS[depth]
        self.conv1 = nn.Conv2d(inputs, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        halving = (1, 2) if stride is Stride.PYTORCH else (2, 1)
        self.layer1 = _layer(64, 64, counts[0], (1, 1))
        self.layer2 = _layer(256, 128, counts[1], halving)
        self.layer3 = _layer(512, 256, counts[2], halving)
        self.layer4 = _layer(1024, 512, counts[3], halving)

    def shared(self, pixels: Tensor) -> list[Tensor]:
        """(B, inputs, H, W) to the outputs of layer1 to layer3: strides 4, 8, 16."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(pixels))))
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        return [c2, c3, self.layer3(c3)]

    def pyramid(self, pixels: Tensor) -> list[Tensor]:
        """(B, inputs, H, W) to C2..C5: 256, 512, 1024, 2048 channels at strides 4 to 32."""
        maps = self.shared(pixels)
        return [*maps, self.layer4(maps[-1])]


def _layer(inputs: int, planes: int, count: int, strides: tuple[int, int]) -> nn.Sequential:
    later = (Bottleneck(planes * EXPANSION, planes) for _ in range(count - 1))
    return nn.Sequential(Bottleneck(inputs, planes, strides), *later)
