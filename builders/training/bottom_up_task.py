"""Trains the compact bottom-up network."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from builders.networks.bottom_up import CompactBottomUp, HeadSettings
from builders.networks.mobilenet_fpn import load_movenet, load_movenet_heads
from builders.training.augment import AugmentSettings, View
from builders.training.dataset import Views
from builders.training.losses import LossWeights, bottom_up_loss
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders, StartSettings
from builders.training.targets import TargetSettings, make_targets
from builders.training.task import Losses, ParameterGroup, TrainingTask, started_groups
from builders.training.validation import validate

Example = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""pixels (3, S, S) uint8, heat, heat weight, offset, offset weight."""


class BottomUpSettings(DataSettings, StartSettings):
    """The recipe's `task` section."""

    guide_channels: int = 32
    regression_channels: int = 64
    start_weights: Path | None = None
    """MoveNet MultiPose graph for trunk and first maps, relative to the data folder."""
    keep_first_maps: bool = False
    """Where nothing is labelled, the first estimate is the target instead of nothing: people whom
    nobody labelled are neither taught as background nor left to chance."""
    released_share: float = Field(gt=0, le=1, default=1.0)
    """See `CompactBottomUp.with_share`."""
    released_lighter: bool = False
    """See `CompactBottomUp.lighter`."""
    pasted: tuple[str, ...] = ()
    """Names of sets whose people are pasted into other pictures."""
    augment: AugmentSettings = AugmentSettings()
    targets: TargetSettings = TargetSettings()
    loss: LossWeights = LossWeights()


class BottomUpTask(TrainingTask):
    """See `TrainingTask`."""

    def __init__(self, settings: BottomUpSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders

    def build(self) -> CompactBottomUp:
        """Trunk and first maps from MoveNet MultiPose, if the recipe names its graph."""
        own = self._settings
        network = CompactBottomUp(HeadSettings(own.guide_channels, own.regression_channels))
        if self._settings.start_weights is not None:
            graph = self._folders.data / self._settings.start_weights
            load_movenet(network.trunk, graph)
            load_movenet_heads(network.first, graph)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """New heads and what came with start weights at rates of their own; the early trunk never.

        See `TrainingTask.groups`.
        """
        own = cast(CompactBottomUp, network)
        started = [*own.trunk.parameters(), *own.first.parameters()]
        rates = (rate, self._settings.trunk_rate)
        still = own.trunk.early_parameters()
        return started_groups(own, started, still, rates, self._settings)

    def examples(self) -> "BottomUpExamples":
        """See `TrainingTask.examples`."""
        settings = self._settings
        sets = load_sets(settings, self._folders)
        views = Views(sets, settings.pasted, settings.augment)
        return BottomUpExamples(views, settings.targets)

    def loss(
        self,
        network: nn.Module,
        batch: Example,
        random: Generator,
    ) -> Losses:
        """See `TrainingTask.loss`."""
        pixels, heat, heat_weight, offset, offset_weight = batch
        maps = network(movenet_pixels(pixels))
        if self._settings.keep_first_maps:
            known = self._settings.targets.background_weight
            heat, heat_weight = with_first_maps(maps.first, heat, heat_weight, known)
        targets = (heat, heat_weight, offset, offset_weight)
        return bottom_up_loss(maps, targets, self._settings.loss)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP and AR of the sets' val split, decoded as the shipped model is."""
        own = self.released(network)
        return validate(own, self._folders.data, self._settings.validation)

    def released(self, network: nn.Module) -> CompactBottomUp:
        """See `TrainingTask.released`."""
        shared = cast(CompactBottomUp, network).with_share(self._settings.released_share)
        return shared.lighter() if self._settings.released_lighter else shared


def with_first_maps(
    first: Tensor, heat: Tensor, heat_weight: Tensor, background_weight: float
) -> tuple[Tensor, Tensor]:
    """Targets and weights in which the first estimate fills up what the labels leave open.

    Args:
        first: (B, 18, H, W) the network's own, of a trunk that stands still.
        heat: (B, 18, H, W) of the labels.
        heat_weight: (B, 18, H, W).
        background_weight: of a cell that is surely background; each cell gets at least that much.
    """
    missing = (background_weight - heat_weight).clamp(min=0)
    weight = heat_weight + missing
    filled = heat * heat_weight + first.detach().float() * missing
    return filled / weight.clamp(min=1e-9), weight


class BottomUpExamples:
    """Views with their targets.

    Args:
        views: of the training sets.
        targets: sizes of the targets.
    """

    def __init__(self, views: Views, targets: TargetSettings) -> None:
        self._views, self._targets = views, targets

    def draw(self, rng: np.random.Generator) -> Example:
        """One example."""
        return self.example(self._views.draw(rng))

    def example(self, view: View) -> Example:
        """What is learnt from a view."""
        cells = view.pixels.shape[0] // self._targets.stride
        background = cv2.resize(view.background, (cells, cells), interpolation=cv2.INTER_AREA)
        made = make_targets(view.people, np.asarray(background, np.float32), self._targets)
        arrays = (made.heat, made.heat_weight, made.offset, made.offset_weight)
        heat, heat_weight, offset, offset_weight = (torch.from_numpy(array) for array in arrays)
        return pixel_tensor(view.pixels), heat, heat_weight, offset, offset_weight
