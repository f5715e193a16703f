"""Trains KCAM on any heatmap network."""

from typing import Any, cast

import numpy as np
from torch import Generator, Tensor, nn

from builders.networks.guided_heatmaps import GuidedHeatmaps
from builders.networks.guided_kcam import GuidedKcam
from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.kcam import INTERMEDIATE_WEIGHT, Kcam, KcamSettings
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.training.guided_loss import guided_parts
from builders.training.settings import Folders
from builders.training.start_weights import between
from builders.training.task import Losses
from builders.training.topdown_task import HeatmapTask, TopDownSettings
from builders.training.topdown_trunks import CompactTrunk, as_heatmap_network, peak_finder

START_CROPS = 64
"""For the means of the fusion's batch norm."""


class KcamTaskSettings(TopDownSettings):
    """The recipe's `task` section."""

    context: KcamSettings = KcamSettings()


class KcamTask(HeatmapTask):
    """See `TrainingTask`."""

    def __init__(self, settings: KcamTaskSettings, folders: Folders) -> None:
        super().__init__(settings, folders)
        self._context = settings.context

    def build(self) -> Kcam:
        """The module on the trunk; on a compact one with start weights it starts as that."""
        network = kcam_on(self.trunk(), self._context)
        trunk = self._settings.trunk
        if isinstance(trunk, CompactTrunk) and trunk.start_weights is not None:
            network.start_as_network(self._some_pixels())
        return network

    def _some_pixels(self) -> Tensor:
        examples = self.examples()
        drawn = [examples.draw(np.random.default_rng((0, n))) for n in range(START_CROPS)]
        return self.pixels(self.collate(drawn))

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """The final maps' loss and a share of that of the intermediate ones."""
        pixels = self.pixels(batch)
        final, intermediate, parts = self._all_maps(network, pixels, batch)
        target, weight = batch["heat"], batch["weight"]
        parts["heat"] = heatmap_loss(final, target, weight)
        parts["intermediate"] = INTERMEDIATE_WEIGHT * heatmap_loss(intermediate, target, weight)
        parts = {name: self._settings.heat_weight * part for name, part in parts.items()}
        return self.with_teacher(pixels, final, parts)

    def _all_maps(
        self, network: nn.Module, pixels: Tensor, batch: Any
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Final and intermediate maps in floats, and losses of what else is predicted."""
        if not isinstance(network, GuidedKcam):
            maps = cast(Kcam, network).maps(pixels)
            return maps.final.float(), maps.intermediate.float(), {}
        found = network.all_maps(pixels)
        first = found.first.float()
        parts = guided_parts(first, batch["xy"].float(), batch["weight"].float())
        return found.final.float(), first.heat, parts

    def released(self, network: nn.Module) -> nn.Module:
        """See `TrainingTask.released`; what began with random weights is kept as it was learnt."""
        share = self._settings.released_share
        if share == 1:
            return network
        start, learnt = self.build(), cast(Kcam, network)
        for name in ("query", "key", "value"):
            state = learnt.context.get_submodule(name).state_dict()
            start.context.get_submodule(name).load_state_dict(state)
        return between(start, learnt, share)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of the final maps, and of the intermediate ones as `intermediate ...`."""
        own, order = cast(Kcam, self.released(network).eval()), self._normalise.order
        base, first = cast(nn.Module, own.network), self._first_cell_px
        finder = peak_finder(self._settings.trunk)
        return self.measured(
            {
                "": TopDownGraph(own, order, FlipTest.OFF, first, finder),
                "intermediate": TopDownGraph(base, order, FlipTest.OFF, first, finder),
            }
        )


def kcam_on(network: nn.Module, settings: KcamSettings) -> Kcam:
    """The module on a heatmap network, guided if that is."""
    if isinstance(network, GuidedHeatmaps):
        return GuidedKcam(network, settings)
    return Kcam(as_heatmap_network(network), settings)
