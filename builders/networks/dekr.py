"""DEKR: disentangled keypoint regression, HGG's successor on the same trunk.

Source: Geng et al., "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression" (CVPR
2021); key names of HRNet/DEKR (`pose_dekr_hrnetw{32,48}_*.pth`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.deformable import DeformableConvolution, affine_offset, regular_matrix
from builders.networks.hgg import BRANCH_SUM, HggMaps
from builders.networks.hrnet import HrNetTrunk, concatenated
from builders.networks.residual import BasicBlock, initialise_normal, pointwise

JOINTS = 17
JOINT_CHANNELS = 15
"""Channels of each joint's own offset branch."""


class AdaptiveBlock(nn.Module):
    """One convolution over taps at T R + t, with a residual; T and t start at 0."""

    regular_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("regular_matrix", regular_matrix())
        self.transform_matrix_conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.translation_conv = nn.Conv2d(channels, 2, 3, padding=1)
        self.adapt_conv = DeformableConvolution(channels, channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        offset = affine_offset(self.transform_matrix_conv(x), self.regular_matrix)
        offset = offset + self.translation_conv(x).repeat(1, 9, 1, 1)  # (y, x) to every tap
        return functional.relu(self.bn(self.adapt_conv(x, offset)) + x)


class Dekr(HrNetTrunk):
    """HRNet trunk, a heatmap head and one offset branch per joint.

    Args:
        width: 32 or 48.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        features = BRANCH_SUM * width
        self.transition_heatmap = pointwise(features, width)
        self.transition_offset = pointwise(features, JOINTS * JOINT_CHANNELS)
        self.head_heatmap = nn.ModuleList(
            [nn.Sequential(BasicBlock(width)), nn.Conv2d(width, JOINTS + 1, 1)]
        )
        self.offset_feature_layers = nn.ModuleList(
            nn.Sequential(AdaptiveBlock(JOINT_CHANNELS), AdaptiveBlock(JOINT_CHANNELS))
            for _ in range(JOINTS)
        )
        self.offset_final_layer = nn.ModuleList(
            nn.Conv2d(JOINT_CHANNELS, 2, 1) for _ in range(JOINTS)
        )
        _initialise(self)

    def forward(self, pixels: Tensor) -> HggMaps:
        """(B, 3, H, W) normalised RGB, sides multiples of 32, to one set of maps at stride 4."""
        features = concatenated(self.branches(pixels))
        heat = self.transition_heatmap(features)
        for layer in self.head_heatmap:
            heat = layer(heat)
        parts = self.transition_offset(features).split(JOINT_CHANNELS, 1)
        layers = zip(self.offset_final_layer, self.offset_feature_layers, parts, strict=True)
        offset = torch.cat([final(unit(part)) for final, unit, part in layers], 1)
        return HggMaps((heat,), offset)


def _initialise(network: nn.Module) -> None:
    initialise_normal(network)
    for module in network.modules():
        if isinstance(module, AdaptiveBlock):
            nn.init.zeros_(module.transform_matrix_conv.weight)
            nn.init.zeros_(module.translation_conv.weight)
