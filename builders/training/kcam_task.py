"""Trains KCAM on any heatmap network."""

from typing import Any, cast

import numpy as np
from torch import Generator, Tensor, nn

from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.kcam import INTERMEDIATE_WEIGHT, Kcam, KcamSettings
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.training.settings import Folders
from builders.training.task import Losses
from builders.training.topdown_task import HeatmapTask, TopDownSettings
from builders.training.topdown_trunks import CompactTrunk, as_heatmap_network

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
        network = Kcam(as_heatmap_network(self.trunk()), self._context)
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
        maps = cast(Kcam, network).maps(pixels)
        final = maps.final.float()
        scale = self._settings.heat_weight
        target, weight = batch["heat"], batch["weight"]
        inter = heatmap_loss(maps.intermediate.float(), target, weight)
        parts = {
            "heat": scale * heatmap_loss(final, target, weight),
            "intermediate": scale * INTERMEDIATE_WEIGHT * inter,
        }
        return self.with_teacher(pixels, final, parts)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of the final maps, and of the intermediate ones as `intermediate ...`."""
        own, order = cast(Kcam, network), self._normalise.order
        base = cast(nn.Module, own.network)
        return self.measured(
            {
                "": TopDownGraph(own, order, FlipTest.OFF),
                "intermediate": TopDownGraph(base, order, FlipTest.OFF),
            }
        )
