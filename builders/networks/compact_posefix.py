"""PoseFix on the compact trunk: a given pose meets the head's features and is refined.

Same input and output as `PoseFix`, so that drawing, loss and export are shared. The trunk and the
head's features are MoveNet's; the pose enters behind them, drawn on their cells, and a small
hourglass looks from one joint to the next: an inverted joint lies as far as the other leg.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.compact_heatmaps import CompactHeatmaps
from builders.networks.mobilenet_fpn import HEAD_CHANNELS, pyramid
from builders.networks.posefix import AMPLITUDE, MEAN, STRIDE
from builders.networks.residual import BasicBlock, pointwise

JOINTS = 17
MIDDLE = 128
"""Channels at strides 8 and 16."""


class CompactPoseFix(nn.Module):
    """(B, 20, H, W), picture and drawn pose as `PoseFix` takes them, to (B, 17, H/4, W/4) logits.

    Args:
        start: gives its trunk and head; its maps are not used.
    """

    def __init__(self, start: CompactHeatmaps) -> None:
        super().__init__()
        self.trunk, self.head = start.trunk, start.head
        self.joined = pointwise(HEAD_CHANNELS + JOINTS, HEAD_CHANNELS)
        self.down8 = _halved(HEAD_CHANNELS, MIDDLE)
        self.down16 = _halved(MIDDLE, MIDDLE)
        self.middle = nn.Sequential(BasicBlock(MIDDLE), BasicBlock(MIDDLE))
        self.up8 = BasicBlock(MIDDLE)
        self.up4 = pointwise(MIDDLE, HEAD_CHANNELS)
        self.mixed = BasicBlock(HEAD_CHANNELS)
        self.final_layer = nn.Conv2d(HEAD_CHANNELS, JOINTS, 1)

    def shared(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) as the trunk takes them, to C2, C3, C4 and P5."""
        return self.trunk.upward(pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        mean = torch.tensor(MEAN, dtype=pixels.dtype, device=pixels.device).view(1, 3, 1, 1)
        rgb = ((pixels[:, :3] + mean) / 127.5 - 1).flip(1)
        drawn = pixels[:, 3:, ::STRIDE, ::STRIDE] / AMPLITUDE  # cell i lies at pixel 4 i
        features = self.head(pyramid(self.trunk, self.shared(rgb))[0])
        at4 = self.joined(torch.cat((features, drawn), 1))
        at8 = self.down8(at4)
        at16 = self.middle(self.down16(at8))
        at8 = self.up8(at8 + _doubled(at16))
        logits: Tensor = self.final_layer(self.mixed(at4 + _doubled(self.up4(at8))))
        return logits


def _halved(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _doubled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")
