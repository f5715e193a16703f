"""Trains SMPR: the paper's networks, and the compact one."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from builders.networks import compact_pyramid
from builders.networks.centre_sampling import STRIDES
from builders.networks.compact_pyramid import compact_pixels
from builders.networks.compact_smpr import CompactSmpr
from builders.networks.smpr import Smpr, SmprMaps, smpr_hrnet, smpr_pixels, smpr_r50
from builders.networks.smpr_decode import SmprDecodeSettings
from builders.networks.smpr_graph import COMPACT_DECODE, SmprGraph
from builders.networks.smpr_loss import SmprCertainty, smpr_loss
from builders.training.augment import AugmentSettings
from builders.training.canvas_validation import (
    COMPACT_CANVASES,
    PAPER_CANVASES,
    Canvases,
    pose_predictor,
    validate_poses,
)
from builders.training.compact_start import CompactSettings, compact_groups, start_pyramid
from builders.training.dataset import Views
from builders.training.people_on_canvas import PoseLabels, pose_labels
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders
from builders.training.task import Losses, ParameterGroup, TrainingTask
from engines.artefact import Thresholds
from stream.errors import ConfigError

WEAK = Thresholds(min_score=0.005, soft_nms_iou=0.3)
"""For AP, which wants the weak candidates too."""

PoseExample = tuple[Tensor, PoseLabels]
"""pixels (3, S, S) uint8, and what is known."""


class PoseExamples:
    """Views with the people on them.

    Args:
        views: of the training sets.
        strides: of the network's levels.
    """

    def __init__(self, views: Views, strides: Sequence[int]) -> None:
        self._views, self._strides = views, strides

    def draw(self, rng: np.random.Generator) -> PoseExample:
        """One example."""
        view = self._views.draw(rng)
        return pixel_tensor(view.pixels), pose_labels(view, self._strides)


def pose_batch(examples: Sequence[PoseExample]) -> dict[str, Any]:
    """A batch: pictures and certainties are stacked, people stay in lists."""
    labels = [label for _, label in examples]
    levels = zip(*(label.certainty for label in labels), strict=True)
    return {
        "pixels": torch.stack([pixels for pixels, _ in examples]),
        "joints": [label.joints for label in labels],
        "areas": [label.areas for label in labels],
        "certainty": [torch.stack(level) for level in levels],
        "heat_certainty": torch.stack([label.heat_certainty for label in labels]),
    }


def smpr_losses(maps: SmprMaps, batch: Mapping[str, Any]) -> Losses:
    """Sum and parts, of maps that may come in half precision."""
    certainty = SmprCertainty(tuple(batch["certainty"]), batch["heat_certainty"])
    parts = smpr_loss(in_float(maps), batch["joints"], batch["areas"], certainty)
    return torch.stack(list(parts.values())).sum(), parts


def in_float(maps: SmprMaps) -> SmprMaps:
    """All maps in fp32."""
    return SmprMaps(*(_float(getattr(maps, field.name)) for field in fields(maps)))


def _float(value: Tensor | tuple[Tensor, ...] | None) -> Any:
    if isinstance(value, tuple):
        return tuple(level.float() for level in value)
    return None if value is None else value.float()


class CompactSmprTask(TrainingTask):
    """SMPR on the compact pyramid; see `TrainingTask`.

    Args:
        settings: of the recipe.
        folders: of the run.
        canvases: (width, height) to validate on.
    """

    def __init__(
        self, settings: CompactSettings, folders: Folders, canvases: Canvases = COMPACT_CANVASES
    ) -> None:
        self._settings, self._folders, self._canvases = settings, folders, canvases

    def build(self) -> CompactSmpr:
        """Trunk and first maps from MoveNet MultiPose, if the recipe names its graph."""
        network = CompactSmpr(self._settings.channels, self._settings.convolutions)
        start_pyramid(network.pyramid, self._settings, self._folders)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """See `compact_groups`."""
        own = cast(CompactSmpr, network)
        return compact_groups(own, own.pyramid, rate, self._settings)

    def examples(self) -> PoseExamples:
        """See `TrainingTask.examples`."""
        sets = load_sets(self._settings, self._folders)
        views = Views(sets, self._settings.pasted, self._settings.augment)
        return PoseExamples(views, compact_pyramid.STRIDES)

    def collate(self, examples: list[PoseExample]) -> dict[str, Any]:
        """See `pose_batch`."""
        return pose_batch(examples)

    def loss(
        self,
        network: nn.Module,
        batch: Mapping[str, Any],
        random: Generator,
    ) -> Losses:
        """See `TrainingTask.loss`."""
        return smpr_losses(network(movenet_pixels(batch["pixels"])), batch)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP and AR of the sets' val split, decoded as the exported model is."""
        graph = SmprGraph(network, compact_pixels, COMPACT_DECODE)
        predict = pose_predictor(graph, WEAK, self._canvases)
        return validate_poses(predict, self._folders.data, self._settings.validation)


class SmprSettings(DataSettings):
    """The recipe's `task` section for the paper's networks."""

    backbone: Literal["resnet50", "hrnet_w32"] = "resnet50"
    backbone_weights: Path | None = None
    """State of the backbone under our key names (as published), relative to the data folder."""
    augment: AugmentSettings = AugmentSettings(canvas=800, rotation_degrees=0, camera=0, paste=0)


class SmprTask(TrainingTask):
    """SMPR at the paper's size; see `TrainingTask`."""

    def __init__(self, settings: SmprSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders

    def build(self) -> Smpr:
        """The network, its backbone started from a file if the recipe names one.

        Raises:
            ConfigError: if the file lacks a weight of the backbone.
        """
        network = smpr_r50() if self._settings.backbone == "resnet50" else smpr_hrnet()
        if self._settings.backbone_weights is not None:
            _start_backbone(network.backbone, self._folders.data / self._settings.backbone_weights)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """Biases learn at twice the rate and without weight decay, as released."""
        learning = [pair for pair in network.named_parameters() if pair[1].requires_grad]
        biases = tuple(each for name, each in learning if name.endswith("bias"))
        weights = tuple(each for name, each in learning if not name.endswith("bias"))
        return [ParameterGroup(weights, rate), ParameterGroup(biases, 2 * rate, weight_decay=0.0)]

    def examples(self) -> PoseExamples:
        """See `TrainingTask.examples`."""
        views = Views(load_sets(self._settings, self._folders), (), self._settings.augment)
        return PoseExamples(views, STRIDES)

    def collate(self, examples: list[PoseExample]) -> dict[str, Any]:
        """See `pose_batch`."""
        return pose_batch(examples)

    def loss(
        self,
        network: nn.Module,
        batch: Mapping[str, Any],
        random: Generator,
    ) -> Losses:
        """See `TrainingTask.loss`."""
        canvas = batch["pixels"].permute(0, 2, 3, 1)
        return smpr_losses(network(smpr_pixels(canvas)), batch)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP and AR of the sets' val split at the paper's size, one scale, no flip."""
        graph = SmprGraph(network, smpr_pixels, SmprDecodeSettings())
        predict = pose_predictor(graph, WEAK, PAPER_CANVASES)
        return validate_poses(predict, self._folders.data, self._settings.validation)


def _start_backbone(backbone: nn.Module, path: Path) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"backbone_weights {path}: {error.strerror}") from error
    missing, _ = backbone.load_state_dict(state, strict=False)
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking:
        raise ConfigError(
            f"backbone_weights {path}: lacks {len(lacking)} weights of the backbone, as "
            f"{lacking[0]}; expected its state under the published names"
        )
