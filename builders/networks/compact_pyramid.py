"""Levels at strides 8, 16, 32 on the MobileNetV2-FPN trunk, for heads with shared weights.

Like SMPR's PAFPN (down the pyramid, then up again), but on a trunk that already has a pyramid of
its own: MoveNet's stride-4 features and first maps enter the finest level unshuffled, and the
upward steps bring them to the coarse ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.mobilenet_fpn import (
    P2_CHANNELS,
    P3_CHANNELS,
    P4_CHANNELS,
    P5_CHANNELS,
    TAPS,
    FirstMaps,
    MobileNetFpn,
    TrunkMaps,
)
from builders.networks.smpr import JOINTS, NormedConvolution

FINEST = 4
"""Stride of the trunk's P2 and of the first maps."""
STRIDES = (8, 16, 32)
NORM_GROUPS = 16
FIRST_MAPS = JOINTS + 1 + 2 * JOINTS
REGRESS_SCALE = 8.0
"""Cells per unit of the first maps' offsets when they enter as features: they reach tens."""


@dataclass(frozen=True, slots=True, eq=False)
class CompactLevels:
    """What heads take, at strides 8, 16, 32."""

    features: tuple[Tensor, ...]
    """(B, C, H, W) each."""
    poses: tuple[Tensor, ...]
    """(B, 34, H, W) MoveNet's pose at each cell: joint minus cell, (x, y) of each, in strides."""


class CompactPyramid(nn.Module):
    """Trunk, first maps and levels.

    Args:
        channels: of each level; a multiple of 16.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.trunk, self.first = MobileNetFpn(), FirstMaps()
        fine = 4 * (P2_CHANNELS + FIRST_MAPS)
        tap3, tap4 = list(TAPS.values())[1:]
        inputs = (fine + P3_CHANNELS + tap3, P4_CHANNELS + tap4, P5_CHANNELS)
        self.enter = nn.ModuleList(nn.Conv2d(each, channels, 1) for each in inputs)
        self.smooth = nn.ModuleList(
            NormedConvolution(channels, channels, NORM_GROUPS) for _ in inputs
        )
        self.down = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, 2, padding=1) for _ in inputs[1:]
        )

    def forward(self, pixels: Tensor) -> CompactLevels:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32."""
        return self.levels(self.trunk.maps(pixels))

    def levels(
        self, maps: TrunkMaps, first: tuple[Tensor, Tensor, Tensor] | None = None
    ) -> CompactLevels:
        """The levels of what the trunk found; a trunk that stands still need run only once.

        Args:
            maps: of the trunk.
            first: what `FirstMaps` made of them, if that is known already.
        """
        heat, centre, regress = first or self.first(maps.p2)
        fine = torch.cat((maps.p2, heat, centre, regress / REGRESS_SCALE), 1)
        fine = functional.pixel_unshuffle(fine, 2)
        entering = (
            torch.cat((fine, maps.p3, maps.c3), 1),
            torch.cat((maps.p4, maps.c4), 1),
            maps.p5,
        )
        poses = tuple(first_pose(regress, stride) for stride in STRIDES)
        return CompactLevels(tuple(self._exchange(entering)), poses)

    def _exchange(self, entering: tuple[Tensor, ...]) -> list[Tensor]:
        levels = [enter(x) for enter, x in zip(self.enter, entering, strict=True)]
        for fine in range(len(levels) - 2, -1, -1):
            coarse = functional.interpolate(levels[fine + 1], scale_factor=2.0, mode="nearest")
            levels[fine] = levels[fine] + coarse
        levels[0] = self.smooth[0](levels[0])
        for coarse_level, down in enumerate(self.down, start=1):
            arriving = levels[coarse_level] + down(levels[coarse_level - 1])
            levels[coarse_level] = self.smooth[coarse_level](arriving)
        return levels

    def started_parameters(self) -> Iterator[nn.Parameter]:
        """What comes with start weights: trunk and first maps."""
        yield from self.trunk.parameters()
        yield from self.first.parameters()


def first_pose(regress: Tensor, stride: int) -> Tensor:
    """MoveNet's offsets at the cells of a coarser level.

    A level's cell lies amid its block of stride-4 cells: the four about the middle are averaged,
    half a pixel before the point `stride * i + stride // 2` that offsets start from.

    Args:
        regress: (B, 34, H, W) at stride 4: joint minus cell, (y, x) of each joint, in cells.
        stride: of the level, 8 or more.

    Returns:
        (B, 34, 4 H / stride, 4 W / stride): joint minus point, (x, y) of each, in strides.
    """
    block = stride // FINEST
    skip = block // 2 - 1
    middle = functional.avg_pool2d(regress[:, :, skip:, skip:], 2, block)
    B, _, H, W = middle.shape
    x_first = middle.reshape(B, JOINTS, 2, H, W).flip(2).reshape(B, 2 * JOINTS, H, W)
    return (x_first * FINEST - 0.5) / stride


def compact_pixels(canvas: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) RGB to the trunk's (B, 3, H, W) in [-1, 1]."""
    return canvas.float().permute(0, 3, 1, 2) / 127.5 - 1.0  # cast first: TensorRT's parser
