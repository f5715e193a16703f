"""SMPR on the MobileNetV2-FPN trunk: three levels, a narrow head, a confidence for each joint.

The head, its losses and its assignment are SMPR's. What is compact: strides 8 to 32, 64 channels,
two convolutions a branch; the first guess adds to MoveNet's own pose at the cell, so that a short
schedule starts from poses. What is more: each joint's own term of the OKS is predicted as the
pose's OKS is (the paper's pose scoring, one joint at a time). It is the joint's confidence, where
the released code calls every joint seen: low where the joint is hidden, absent or badly placed.
"""

from torch import Tensor, nn

from builders.networks.compact_pyramid import NORM_GROUPS, STRIDES, CompactPyramid
from builders.networks.smpr import HeadForm, SmprHead, SmprMaps


class CompactSmpr(nn.Module):
    """Trunk, levels and head.

    Args:
        channels: of the levels and of the head; a multiple of 16.
        convolutions: of each branch of the head.
    """

    def __init__(self, channels: int = 64, convolutions: int = 2) -> None:
        super().__init__()
        self.pyramid = CompactPyramid(channels)
        self.head = SmprHead(
            HeadForm(
                channels=channels,
                convolutions=convolutions,
                heat_channels=channels,
                levels=len(STRIDES),
                norm_groups=NORM_GROUPS,
                joint_similarity=True,
            )
        )

    def forward(self, pixels: Tensor) -> SmprMaps:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32."""
        levels = self.pyramid(pixels)
        maps: SmprMaps = self.head(levels.features, levels.poses)
        return maps
