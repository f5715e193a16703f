"""Trains PoseFix, compact or on a ResNet, to undo synthetic pose errors."""

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from builders.networks.compact_posefix import CompactPoseFix
from builders.networks.posefix import (
    SIGMA_BY_CROP_HEIGHT,
    PoseFix,
    PoseFixGraph,
    pose_maps,
    posefix_losses,
    posefix_pixels,
)
from builders.networks.topdown_graph import ChannelOrder, FlipTest, Normalise
from builders.training.crops import Crops, CropSettings
from builders.training.posefix_examples import PoseFixExamples
from builders.training.posefix_validation import validate_refiner
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders, KeptSettings, StartSettings
from builders.training.start_weights import load_start
from builders.training.task import Losses, ParameterGroup, TrainingTask, started_groups
from builders.training.topdown_trunks import (
    NEW_LAYERS,
    CompactTrunk,
    ResNetTrunk,
    compact_heatmaps,
    placed,
)

PIXELS_PER_SIGMA = 256 / 7
"""Of the drawn pose, where nothing is published: crop height over sigma."""


class PoseFixSettings(DataSettings, StartSettings, KeptSettings):
    """The recipe's `task` section."""

    trunk: Annotated[CompactTrunk | ResNetTrunk, Field(discriminator="kind")]
    crop: CropSettings = CropSettings(scale=0.3, rotation_degrees=40, half_body_share=0)
    """PoseFix's ranges by default."""
    sigma: float | None = Field(gt=0, default=None)
    """Of the drawn pose, in crop pixels; by default the published one of the crop's height."""
    neighbour_share: float = Field(ge=0, le=1, default=0.0)
    """Of lonely people, how many get a person of another picture pasted beside."""

    def sigma_px(self) -> float:
        """Published for 256 and 384 pixels; other crops in proportion."""
        published = SIGMA_BY_CROP_HEIGHT.get(self.crop.height, self.crop.height / PIXELS_PER_SIGMA)
        return self.sigma or published


class PoseFixTask(TrainingTask):
    """See `TrainingTask`."""

    def __init__(self, settings: PoseFixSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders

    def build(self) -> nn.Module:
        """PoseFix on a ResNet; the compact one on a compact trunk."""
        trunk, data = placed(self._settings.trunk, self._folders), self._folders.data
        if isinstance(trunk, CompactTrunk):
            return CompactPoseFix(compact_heatmaps(trunk, data))
        network = PoseFix(trunk.depth)
        if trunk.start_weights is not None:
            load_start(network, data / trunk.start_weights, NEW_LAYERS)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """All alike; the compact trunk and head at a rate of their own, its beginning never."""
        if not isinstance(network, CompactPoseFix):
            return super().groups(network, rate)
        started = [*network.trunk.parameters(), *network.head.parameters()]
        still = network.trunk.early_parameters()
        rates = (rate, self._settings.trunk_rate)
        return started_groups(network, started, still, rates, self._settings)

    def examples(self) -> PoseFixExamples:
        """See `TrainingTask.examples`."""
        crops = Crops(load_sets(self._settings, self._folders), self._settings.crop)
        return PoseFixExamples(crops, self._settings.neighbour_share)

    def pixels(self, batch: Any) -> Tensor:
        """Crops as the compact trunk wants them."""
        crops = batch["crops"]
        pixels: Tensor = Normalise(ChannelOrder.RGB_SYMMETRIC).to(crops.device)(crops)
        return pixels

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """Of the map and of the place; see `posefix_losses`."""
        crops, given = batch["crops"], batch["given"]
        size = (crops.shape[2], crops.shape[1])
        drawn = pose_maps(given[..., :2], given[..., 2], size, self._settings.sigma_px())
        logits = network(torch.cat((posefix_pixels(crops), drawn), 1)).float()
        entropy, place = posefix_losses(logits, batch["truth"], batch["weight"])
        return entropy + place, {"entropy": entropy, "place": place}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Keypoint similarity before and after, by kind of synthetic error."""
        crop = self._settings.crop
        graph = PoseFixGraph(network, self._settings.sigma_px(), FlipTest.OFF)
        found: dict[str, float] = {}
        for name in self._settings.validation:
            found |= validate_refiner(graph, self._folders.data, name, (crop.width, crop.height))
        return found
