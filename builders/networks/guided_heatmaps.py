"""Top-down joint maps that know which of the people in a crop is meant.

MoveNet's single-pose graphs (Google, "Next-Generation Pose Detection with MoveNet and
TensorFlow.js", 2021) find the person nearest to the middle first, guess every joint from there and
take the peak of a joint's map near the guess. Without that, a neighbour's joint wins wherever it is
the clearer one: on `coco_kp/val` in true boxes Thunder's maps alone have AP .40, with it .53.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from builders.networks.compact_heatmaps import JOINTS, CompactHeatmaps, load_movenet_heatmaps
from builders.networks.mobilenet_fpn import (
    HEAD_CHANNELS,
    convolutions_of,
    head_features,
    load_movenet_head,
    pyramid,
)

MIDDLE_CELLS = 1.8
"""A centre that far from the middle counts half of one in it (MoveNet's graph)."""
SURE_CELLS = 4.0
"""Up to that distance from the guess a joint's heat counts in full, beyond in inverse proportion
(ours; MoveNet's is 1 / (distance + 1.8))."""


@dataclass(frozen=True, slots=True, eq=False)
class GuidedMaps:
    """What the network predicts of crops, at stride 4."""

    heat: Tensor
    """(B, 17, H, W) in (0, 1), of whomever the joints are."""
    centre: Tensor
    """(B, 1, H, W) in (0, 1): the middle of the person meant."""
    regress: Tensor
    """(B, 34, H, W) joint minus cell, (y, x) of each joint, in cells: good about a centre."""

    def float(self) -> "GuidedMaps":
        """In fp32, as losses want them."""
        return GuidedMaps(self.heat.float(), self.centre.float(), self.regress.float())


class GuidedHeatmaps(CompactHeatmaps):
    """A `HeatmapNetwork`: RGB crops in [-1, 1] to 17 maps in (0, 1) of the person in the middle.

    Args:
        width: of the trunk.
    """

    def __init__(self, width: float) -> None:
        super().__init__(width)
        self.centre, self.regress = (
            nn.Sequential(*head_features(), nn.Conv2d(HEAD_CHANNELS, count, 1))
            for count in (1, 2 * JOINTS)
        )

    def maps(self, pixels: Tensor) -> GuidedMaps:
        """(B, 3, H, W), sides multiples of 32, to all maps."""
        return self.maps_of(self.shared(pixels))

    def maps_of(self, shared: list[Tensor]) -> GuidedMaps:
        """Likewise of what `shared` returned."""
        p2 = pyramid(self.trunk, shared)[0]
        heat = self.final_layer(self.head(p2))
        return GuidedMaps(heat, torch.sigmoid(self.centre(p2)), self.regress(p2))

    def heat(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to maps (B, 17, H/4, W/4); a neighbour's joints are weak."""
        maps = self.maps_of(shared)
        return maps.heat * nearness(maps.centre, maps.regress)


def nearness(centre: Tensor, regress: Tensor) -> Tensor:
    """(B, 17, H, W) in (0, 1]: how near each cell is to where the joint is guessed.

    Args:
        centre: (B, 1, H, W) above 0.
        regress: (B, 34, H, W), see `GuidedMaps`.
    """
    B, _, H, W = centre.shape
    y, x = (torch.arange(count, device=centre.device, dtype=centre.dtype) for count in (H, W))
    from_middle = distance(x - W / 2, y - H / 2)
    cell = (centre[:, 0] / (from_middle + MIDDLE_CELLS)).flatten(1).argmax(1)  # (B,)
    index = cell[:, None, None].expand(-1, 2 * JOINTS, -1)
    guess = regress.flatten(2).gather(2, index).reshape(B, JOINTS, 2, 1, 1)
    row = torch.div(cell, W, rounding_mode="floor")[:, None, None, None] + guess[:, :, 0]
    column = (cell % W)[:, None, None, None] + guess[:, :, 1]
    off = ((x - column) ** 2 + (y[:, None] - row) ** 2).clamp(min=1e-6).sqrt()
    return (SURE_CELLS / off.clamp(min=SURE_CELLS)).to(centre.dtype)


def distance(x: Tensor, y: Tensor) -> Tensor:
    """(W,) and (H,) to (H, W): the length of (x, y)."""
    return (x**2 + y[:, None] ** 2).clamp(min=1e-6).sqrt()


def load_movenet_guided(network: GuidedHeatmaps, graph_path: Path) -> None:
    """Copies trunk, pyramid and the heads of a MoveNet of the same width.

    Raises:
        ArtefactError: if the graph has other convolutions than expected.
    """
    load_movenet_heatmaps(network, graph_path)
    for head, name in ((network.centre, "center"), (network.regress, "regress")):
        load_movenet_head(convolutions_of([head]), name, graph_path)
