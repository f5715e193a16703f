"""Heatmap-guided bottom-up networks at the paper's size: HGG W32, W48 and its HigherHRNet form.

Source: "Bottom-Up Human Pose Estimation by Ranking Heatmap-Guided Adaptive Keypoint Estimates";
follows the released code (HRNet/HRNet-Bottom-Up-Pose-Estimation) where the paper differs: residual
units, both transforms from the unit's input, dilations 1 to 3. Key names as released.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.deformable import DeformableConvolution, affine_offset, regular_matrix
from builders.networks.hrnet import HrNetTrunk, concatenated
from builders.networks.residual import BasicBlock, initialise_normal, pointwise

JOINTS = 17
DILATIONS = (1, 2, 3)
REGRESSION_CHANNELS = 256
BRANCH_SUM = 15
"""All four branches together have 15 times the channels of the finest."""


@dataclass(frozen=True, slots=True, eq=False)
class HggMaps:
    """What the networks predict; cell i of a stride-4 map lies at input pixel 4 i."""

    heat: tuple[Tensor, ...]
    """(B, 18, H/4, W/4) each, 17 joints and the centre: the mean of the dilated branches, or, in
    the HigherHRNet form, the three of them."""
    offset: Tensor
    """(B, 34, H/4, W/4): cell minus joint, (x, y) of each joint, in cells."""
    fine_heat: Tensor | None = None
    """(B, 17, H/2, W/2), HigherHRNet form only."""


class AdaptiveUnit(nn.Module):
    """STNBLOCK of the release: two convolutions over taps at (d - 1) R + T R, and a residual.

    T comes from the unit's input and starts at 0: all taps of dilation 1 start on the centre.
    The buffer `regular_matrix` (2, 9) is R; released checkpoints hold it in every unit.
    """

    regular_matrix: Tensor

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.register_buffer("regular_matrix", regular_matrix())
        self.transform_matrix_conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.stn_conv1 = DeformableConvolution(channels, channels, dilation)
        self.bn1 = nn.BatchNorm2d(channels)
        self.transform_matrix_conv2 = nn.Conv2d(channels, 4, 3, padding=1)
        self.stn_conv2 = DeformableConvolution(channels, channels, dilation)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        offset = affine_offset(self.transform_matrix_conv1(x), self.regular_matrix)
        y = functional.relu(self.bn1(self.stn_conv1(x, offset)))
        offset = affine_offset(self.transform_matrix_conv2(x), self.regular_matrix)
        return functional.relu(self.bn2(self.stn_conv2(y, offset)) + x)

    def tie(self, first: "AdaptiveUnit") -> None:
        """Shares all convolution weights of `first`; transform biases and batch norms stay own."""
        self.transform_matrix_conv1.weight = first.transform_matrix_conv1.weight
        self.transform_matrix_conv2.weight = first.transform_matrix_conv2.weight
        self.stn_conv1.weight = first.stn_conv1.weight
        self.stn_conv2.weight = first.stn_conv2.weight


class Hgg(HrNetTrunk):
    """HRNet trunk, three tied dilated branches for the joint maps, a guided offset branch.

    Args:
        width: 32 or 48.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        features = BRANCH_SUM * width
        self.transition_cls = pointwise(features, width)
        self.transition_reg = pointwise(features + JOINTS, REGRESSION_CHANNELS)
        units = [AdaptiveUnit(width, dilation) for dilation in DILATIONS]
        for unit in units[1:]:
            unit.tie(units[0])
        self.multi_level_layers_4x_heatmap = nn.ModuleList(map(nn.Sequential, units))
        self.multi_level_layers_4x_regression = nn.ModuleList(
            [nn.Sequential(AdaptiveUnit(REGRESSION_CHANNELS, 1))]
        )
        heat, regression = (width, JOINTS), (REGRESSION_CHANNELS, 2 * JOINTS + 1)
        self.final_layers = nn.ModuleList([nn.Conv2d(*heat, 1), nn.Conv2d(*regression, 1)])
        _initialise(self)

    def forward(self, pixels: Tensor) -> HggMaps:
        """(B, 3, H, W) normalised RGB, sides multiples of 32."""
        features = concatenated(self.branches(pixels))
        maps = self._joint_maps(self.transition_cls(features))
        mean = torch.stack(maps).mean(0)
        centre, offset = self._centre_and_offset(features, mean)
        return HggMaps((torch.cat((mean, centre), 1),), offset)

    def _joint_maps(self, guide: Tensor) -> list[Tensor]:
        return [self.final_layers[0](unit(guide)) for unit in self.multi_level_layers_4x_heatmap]

    def _centre_and_offset(self, features: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        guided = self.transition_reg(torch.cat((features, mean), 1))
        out = self.final_layers[1](self.multi_level_layers_4x_regression[0](guided))
        return out[:, 2 * JOINTS :], out[:, : 2 * JOINTS]


class HigherHgg(Hgg):
    """The HigherHRNet form: joint maps at stride 2 as well (`pose_higher_hrnet` of the release)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        upsampling = nn.Sequential(
            nn.ConvTranspose2d(width + JOINTS, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        block = nn.Sequential(BasicBlock(width))
        self.deconv_layers = nn.ModuleList([nn.Sequential(upsampling, block)])
        self.final_layers.append(nn.Conv2d(width, JOINTS, 1))
        initialise_normal(self.deconv_layers)
        initialise_normal(self.final_layers)

    def forward(self, pixels: Tensor) -> HggMaps:
        """(B, 3, H, W) normalised RGB, sides multiples of 32."""
        features = concatenated(self.branches(pixels))
        guide = self.transition_cls(features)
        maps = self._joint_maps(guide)
        mean = torch.stack(maps).mean(0)
        fine = self.final_layers[2](self.deconv_layers[0](torch.cat((guide, mean), 1)))
        centre, offset = self._centre_and_offset(features, mean)
        heat = tuple(torch.cat((each, centre), 1) for each in maps)
        return HggMaps(heat, offset, fine)


def _initialise(network: nn.Module) -> None:
    initialise_normal(network)
    for module in network.modules():
        if isinstance(module, AdaptiveUnit):
            nn.init.zeros_(module.transform_matrix_conv1.weight)
            nn.init.zeros_(module.transform_matrix_conv2.weight)
