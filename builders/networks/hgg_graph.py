"""HGG, its HigherHRNet form and DEKR as they are exported: canvas in, candidates out."""

import torch
from torch import Tensor, nn

from builders.networks.bottom_up import BottomUpMaps
from builders.networks.bottom_up_decode import DecodeSettings, PosesFromMaps
from builders.networks.hgg import JOINTS
from builders.networks.hgg_test_maps import ScaleMaps, absolute, plain_maps
from builders.networks.topdown_graph import ChannelOrder, Normalise

COMPACT_SHIFT = 1.5
"""`PosesFromMaps` has cell i of a stride-4 map at canvas pixel 4 i + 1.5; HGG's lies at 4 i."""
STAYS = DecodeSettings(min_attraction=float("inf"))
"""DEKR's decode: joints are where their offsets say, no peak attracts them."""


class HggGraph(nn.Module):
    """The exported model: canvas uint8 (B, H, W, 3) RGB in, keypoints and scores out.

    One size of the picture and no flip test; sides are multiples of 32. Decoding is that of the
    compact network (`PosesFromMaps`); HGG's own, with its fits and its multi-scale test, is
    `hgg_decode.py`.

    Args:
        network: `Hgg`, `HigherHgg` or `Dekr`.
        settings: `STAYS` for DEKR.
    """

    def __init__(self, network: nn.Module, settings: DecodeSettings) -> None:
        super().__init__()
        self.network = network
        self.normalise = Normalise(ChannelOrder.RGB)
        self.poses = PosesFromMaps(settings)

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, 30, 17, 3) canvas px and confidence; scores (B, 30)."""
        return self.decoded(self.maps(canvas), canvas)

    def maps(self, canvas: Tensor) -> ScaleMaps:
        """(B, H, W, 3) to joint maps, centre map and poses."""
        return plain_maps(self.network, self.normalise(canvas))

    def decoded(self, maps: ScaleMaps, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` returns, of the maps of a canvas."""
        keypoints, scores = self.poses(
            BottomUpMaps(maps.heat[:, :JOINTS], maps.heat[:, JOINTS:], absolute(maps.pose))
        )
        stride_over_4 = canvas.shape[2] / maps.heat.shape[3] / 4  # 1, or 1/2 with HigherHRNet
        at_cells = (keypoints[..., :2] - COMPACT_SHIFT) * stride_over_4
        return torch.cat((at_cells, keypoints[..., 2:]), -1), scores
