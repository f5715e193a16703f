"""HRNet W32 and W48: the trunk with four branches, and the top-down pose network.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation" (CVPR
2019); key names of leoxiaobin/deep-high-resolution-net.pytorch: its checkpoints load strictly.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.residual import BasicBlock, Bottleneck, initialise_normal

JOINTS = 17
BLOCKS = 4
"""Basic blocks in every branch of every module."""
STEM_CHANNELS = 256
"""Channels after `layer1`, at stride 4."""


def branch_channels(width: int) -> tuple[int, int, int, int]:
    """Channels of the four branches (strides 4, 8, 16, 32); width 32 and 48 are the paper's."""
    return width, 2 * width, 4 * width, 8 * width


class HighResolutionModule(nn.Module):
    """Parallel branches, then each output branch sums all of them at its own scale.

    Args:
        channels: of each branch.
        outputs: how many branches, from the finest on, come out.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(BLOCKS))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            _Sum(_fuse(channels, i, j) for j in range(len(channels))) for i in range(outputs)
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """One (B, C_j, H_j, W_j) per branch to `outputs` of them."""
        maps = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        return [fuse(maps) for fuse in self.fuse_layers]


class _Sum(nn.ModuleList):
    """One layer per branch; their outputs are added, then ReLU."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        parts = [layer(x) for layer, x in zip(self, maps, strict=True)]
        return functional.relu(sum(parts[1:], parts[0]))


def _fuse(channels: Sequence[int], to: int, source: int) -> nn.Module:
    """What brings branch `source` to the scale and width of branch `to`."""
    if source == to:
        return nn.Identity()
    if source > to:
        return nn.Sequential(
            nn.Conv2d(channels[source], channels[to], 1, bias=False),
            nn.BatchNorm2d(channels[to]),
            nn.Upsample(scale_factor=2 ** (source - to), mode="nearest"),
        )
    steps = to - source
    halvings = [_halving(channels[source], channels[source], nn.ReLU()) for _ in range(steps - 1)]
    return nn.Sequential(*halvings, _halving(channels[source], channels[to]))


def _halving(inputs: int, outputs: int, *after: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), *after
    )


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """To one branch more, made from the last; the others change their width only if needed."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(before, after, strict=False):
        same = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )
        layers.append(nn.Identity() if inputs == outputs else same)
    layers.append(nn.Sequential(_halving(before[-1], after[len(before)], nn.ReLU())))
    return nn.ModuleList(layers)


def _branch_out(transition: nn.ModuleList, maps: list[Tensor]) -> list[Tensor]:
    return [layer(x) for layer, x in zip(transition, [*maps, maps[-1]], strict=True)]


def _stage(channels: Sequence[int], modules: int, last_outputs: int) -> nn.Sequential:
    outputs = [len(channels)] * (modules - 1) + [last_outputs]
    return nn.Sequential(*(HighResolutionModule(channels, count) for count in outputs))


class HrNetTrunk(nn.Module):
    """Stem and four stages.

    Args:
        width: channels of the finest branch; 32 and 48 are published.
        outputs: branches that leave the last module: 4, or 1 in the top-down network.
    """

    def __init__(self, width: int, outputs: int = 4) -> None:
        super().__init__()
        self.width = width
        channels = branch_channels(width)
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        later = (Bottleneck(STEM_CHANNELS, 64) for _ in range(3))
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *later)
        self.transition1 = _transition((STEM_CHANNELS,), channels[:2])
        self.stage2 = _stage(channels[:2], 1, 2)
        self.transition2 = _transition(channels[:2], channels[:3])
        self.stage3 = _stage(channels[:3], 4, 3)
        self.transition3 = _transition(channels[:3], channels)
        self.stage4 = _stage(channels, 3, outputs)

    def shared(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised RGB, sides multiples of 32, to the four inputs of stage 4."""
        x = functional.relu(self.bn1(self.conv1(pixels)))
        x = functional.relu(self.bn2(self.conv2(x)))
        maps = self.stage2(_branch_out(self.transition1, [self.layer1(x)]))
        maps = self.stage3(_branch_out(self.transition2, maps))
        return _branch_out(self.transition3, maps)

    def branches(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to the outputs of stage 4, finest first: (B, width, H/4, W/4), ..."""
        maps: list[Tensor] = self.stage4(self.shared(pixels))
        return maps


class HrNet(HrNetTrunk):
    """Top-down HRNet: crop in, 17 maps at stride 4 out; checkpoints `pose_hrnet_w{32,48}_*.pth`."""

    def __init__(self, width: int) -> None:
        super().__init__(width, outputs=1)
        self.final_layer = nn.Conv2d(width, JOINTS, 1)
        initialise_normal(self)

    @property
    def feature_channels(self) -> int:
        """Channels of `features`."""
        return self.width

    def features(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to (B, width, H/4, W/4)."""
        maps: list[Tensor] = self.stage4(shared)
        return maps[0]

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB to heatmaps (B, 17, H/4, W/4)."""
        return self.heat(self.shared(pixels))

    def heat(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to heatmaps (B, 17, H/4, W/4)."""
        heat: Tensor = self.final_layer(self.features(shared))
        return heat

    def copy_of_last_stage(self) -> "FourthStage":
        """Stage 4 with its present weights, on its own (Graph-PCNN's second feature map)."""
        return FourthStage(copy.deepcopy(self.stage4))


class FourthStage(nn.Module):
    """A copied stage 4; key `stage4`."""

    def __init__(self, stage4: nn.Sequential) -> None:
        super().__init__()
        self.stage4 = stage4

    def forward(self, shared: list[Tensor]) -> Tensor:
        """The four inputs of stage 4 to (B, width, H/4, W/4)."""
        maps: list[Tensor] = self.stage4(shared)
        return maps[0]


def concatenated(branches: Sequence[Tensor]) -> Tensor:
    """Branches side by side at the finest scale, as HGG, DEKR and HRFPN take them.

    Args:
        branches: finest first.

    Returns:
        (B, 15 width, H/4, W/4): 480 channels for W32, 720 for W48; bilinear, align_corners False.
    """
    size = branches[0].shape[-2:]
    coarse = [
        functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        for x in branches[1:]
    ]
    return torch.cat((branches[0], *coarse), 1)
