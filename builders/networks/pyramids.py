"""Feature pyramids of SMPR: PAFPN on ResNet, HRFPN on HRNet; strides 8 to 128, 256 channels.

Sources: Liu et al., "Path Aggregation Network" (CVPR 2018); Sun et al., "High-Resolution
Representations for Labeling Pixels and Regions"; key names of mmdetection 1.x. SMPR's PAFPN has a
ReLU after every convolution (its neck's default activation); the usual one has none.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from builders.networks.hrnet import concatenated

CHANNELS = 256
LEVELS = 5


class _Rectified(nn.Module):
    """A convolution with bias, and ReLU; key `conv`."""

    def __init__(self, inputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, CHANNELS, kernel, stride, kernel // 2)
        nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x))


class _Linear(nn.Module):
    """A convolution with bias and no activation; key `conv`."""

    def __init__(self, inputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, CHANNELS, kernel, stride, kernel // 2)
        nn.init.kaiming_uniform_(self.conv.weight, a=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class Pafpn(nn.Module):
    """C3..C5 to P3..P7: down the pyramid by nearest upsampling, up again by stride-2 steps.

    Args:
        inputs: channels of C3, C4, C5.
    """

    def __init__(self, inputs: Sequence[int] = (512, 1024, 2048)) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(_Rectified(channels, 1) for channels in inputs)
        smooth = [_Rectified(CHANNELS, 3) for _ in inputs]
        extra = [_Rectified(CHANNELS, 3, 2) for _ in range(LEVELS - len(inputs))]
        self.fpn_convs = nn.ModuleList(smooth + extra)
        self.downsample_convs = nn.ModuleList(_Rectified(CHANNELS, 3, 2) for _ in inputs[1:])
        self.pafpn_convs = nn.ModuleList(_Rectified(CHANNELS, 3) for _ in inputs[1:])

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """(C2,) C3, C4, C5 to P3..P7; C2 is not read."""
        used = pyramid[-len(self.lateral_convs) :]
        maps = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        for fine in range(len(maps) - 2, -1, -1):
            size = maps[fine].shape[-2:]
            maps[fine] = maps[fine] + functional.interpolate(maps[fine + 1], size, mode="nearest")
        maps = [conv(x) for conv, x in zip(self.fpn_convs, maps, strict=False)]
        for coarse, down in enumerate(self.downsample_convs, start=1):
            maps[coarse] = maps[coarse] + down(maps[coarse - 1])
        outs = [maps[0], *(conv(x) for conv, x in zip(self.pafpn_convs, maps[1:], strict=True))]
        for level in range(len(outs), LEVELS):
            outs.append(self.fpn_convs[level](outs[-1]))
        return outs


class Hrfpn(nn.Module):
    """Four branches to P3..P7: concatenation, 1x1, average pools, 3x3 of stride 2; no activation.

    Args:
        inputs: channels of all branches together, 480 for W32.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.reduction_conv = _Linear(inputs, 1)
        self.fpn_convs = nn.ModuleList(_Linear(CHANNELS, 3, 2) for _ in range(LEVELS))

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        """Branches, finest first, at strides 4 to 32."""
        x = self.reduction_conv(concatenated(branches))
        pooled = [x, *(functional.avg_pool2d(x, 2**level) for level in range(1, LEVELS))]
        return [conv(each) for conv, each in zip(self.fpn_convs, pooled, strict=True)]
