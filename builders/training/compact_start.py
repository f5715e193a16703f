"""What tasks on the compact pyramid share: settings, start weights, rates."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from torch import nn

from builders.networks.compact_pyramid import CompactPyramid
from builders.networks.mobilenet_fpn import load_movenet, load_movenet_heads
from builders.training.augment import AugmentSettings
from builders.training.settings import DataSettings, Folders, StartSettings
from builders.training.task import ParameterGroup, started_groups


class CompactSettings(DataSettings, StartSettings):
    """The recipe's `task` section."""

    channels: int = Field(gt=0, multiple_of=16, default=64)
    """Of the levels and of the head."""
    convolutions: int = Field(ge=1, default=2)
    """Of each branch of the head."""
    start_weights: Path | None = None
    """MoveNet MultiPose graph for trunk and first maps, relative to the data folder."""
    pasted: tuple[str, ...] = ()
    """Names of sets whose people are pasted into other pictures."""
    augment: AugmentSettings = AugmentSettings()


def start_pyramid(pyramid: CompactPyramid, settings: CompactSettings, folders: Folders) -> None:
    """Gives trunk and first maps MoveNet's weights, if the recipe names its graph."""
    if settings.start_weights is not None:
        load_movenet(pyramid.trunk, folders.data / settings.start_weights)
        load_movenet_heads(pyramid.first, folders.data / settings.start_weights)


def compact_groups(
    network: nn.Module, pyramid: CompactPyramid, rate: float, settings: CompactSettings
) -> Sequence[ParameterGroup]:
    """New layers and what came with start weights at rates of their own; the early trunk never."""
    return started_groups(
        network,
        pyramid.started_parameters(),
        pyramid.trunk.early_parameters(),
        (rate, settings.trunk_rate),
        settings,
    )
