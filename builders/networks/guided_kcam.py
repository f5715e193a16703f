"""KCAM on joint maps that know which of the people in a crop is meant (ours).

The regions whose features become the context are those of the person meant, and the final maps are
guided as the first ones are: else a neighbour's joints would win again.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from builders.networks.guided_heatmaps import GuidedHeatmaps, GuidedMaps, nearness
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.kcam import Kcam, KcamSettings
from builders.networks.mobilenet_fpn import pyramid


@dataclass(frozen=True, slots=True, eq=False)
class GuidedKcamMaps:
    """All are trained."""

    final: Tensor
    """(B, 17, H, W) in (0, 1), of whomever the joints are."""
    first: GuidedMaps
    """Its heat is the intermediate maps."""


class GuidedKcam(Kcam):
    """See `Kcam`.

    Args:
        network: makes intermediate maps, centre and guess.
        settings: what the paper leaves open.
    """

    def __init__(self, network: GuidedHeatmaps, settings: KcamSettings | None = None) -> None:
        as_plain: HeatmapNetwork = network
        super().__init__(as_plain, settings)

    def all_maps(self, pixels: Tensor) -> GuidedKcamMaps:
        """(B, 3, H, W) normalised to all maps, as training needs them."""
        network = cast(GuidedHeatmaps, self.network)
        p2 = pyramid(network.trunk, network.shared(pixels))[0]
        features = network.head(p2)
        heat = network.final_layer(features)
        first = GuidedMaps(heat, torch.sigmoid(network.centre(p2)), network.regress(p2))
        regions = heat * nearness(first.centre, first.regress).detach()
        return GuidedKcamMaps(self.final_layer(self.context(features, regions)), first)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised to the final heatmaps; a neighbour's joints are weak."""
        maps = self.all_maps(pixels)
        return maps.final * nearness(maps.first.centre, maps.first.regress)
