"""Trains `SmprAtJoints` on a trunk that stands still, from views whose trunk maps are kept."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from builders.networks.compact_pyramid import STRIDES
from builders.networks.mobilenet_fpn import TrunkMaps
from builders.networks.smpr_at_joints import SmprAtJoints, SmprAtJointsGraph
from builders.networks.smpr_at_joints_loss import Known, smpr_at_joints_loss
from builders.training.canvas_validation import Canvases, pose_predictor, validate_poses
from builders.training.compact_start import CompactSettings, start_pyramid
from builders.training.dataset import Views
from builders.training.kept_views import MAPS, KeptViews, keep_views, load_views, views_folder
from builders.training.sets import load_sets
from builders.training.settings import Folders
from builders.training.smpr_task import WEAK
from builders.training.task import Losses, ParameterGroup, TrainingTask

CANVASES_TWICE = ((448, 320), (448, 256), (320, 448), (384, 384))
"""(width, height): 4:3 and 16:9 lying, standing and square; multiples of 64, as the network sees
them whole and at half their size."""
SHRINK = (1, 2)
KeptExample = dict[str, Any]
"""The trunk's maps by name, `joints`, `areas`, `certainty` (P,)."""


class SmprAtJointsSettings(CompactSettings):
    """The recipe's `task` section."""

    convolutions: int = Field(ge=1, default=1)
    """Of each branch of the cells."""
    kept_views: int = Field(gt=0, default=5000)
    """Views that are drawn once; their trunk maps lie on disk, .42 MB each at 256 px."""


class SmprAtJointsTask(TrainingTask):
    """See `TrainingTask`.

    Args:
        settings: of the recipe.
        folders: of the run.
        canvases: (width, height) to validate on.
    """

    def __init__(
        self, settings: SmprAtJointsSettings, folders: Folders, canvases: Canvases = CANVASES_TWICE
    ) -> None:
        self._settings, self._folders, self._canvases = settings, folders, canvases

    def build(self) -> SmprAtJoints:
        """Trunk and first maps from MoveNet MultiPose, if the recipe names its graph."""
        network = SmprAtJoints(self._settings.channels, self._settings.convolutions)
        start_pyramid(network.pyramid, self._settings, self._folders)
        return network

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """All but what came with start weights."""
        started = {id(each) for each in cast(SmprAtJoints, network).pyramid.started_parameters()}
        learning = (each for each in network.parameters() if id(each) not in started)
        return [ParameterGroup(tuple(learning), rate)]

    def examples(self) -> "KeptViewExamples":
        """See `TrainingTask.examples`; makes the maps if they are not there."""
        settings, folders = self._settings, self._folders
        folder = views_folder(settings, folders, settings.kept_views)
        if not folder.is_dir():
            views = Views(load_sets(settings, folders), settings.pasted, settings.augment)
            trunk = self.build().pyramid.trunk
            keep_views(trunk, views, STRIDES, settings.kept_views, folder)
        return KeptViewExamples(load_views(folder))

    def collate(self, examples: list[KeptExample]) -> dict[str, Any]:
        """Maps and certainties are stacked, people stay in lists."""
        alike = {
            name: torch.stack([each[name] for each in examples]) for name in (*MAPS, "certainty")
        }
        return alike | {name: [each[name] for each in examples] for name in ("joints", "areas")}

    def loss(self, network: nn.Module, batch: Mapping[str, Any], random: Generator) -> Losses:
        """See `TrainingTask.loss`."""
        own = cast(SmprAtJoints, network)
        trunk = TrunkMaps(*(batch[name].float() for name in MAPS))
        known = Known(batch["joints"], batch["areas"], batch["certainty"])
        parts = smpr_at_joints_loss(own, own.cells(trunk), known, random)
        return torch.stack(list(parts.values())).sum(), parts

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP and AR of the sets' val split, decoded as the exported model is."""
        graph = SmprAtJointsGraph(cast(SmprAtJoints, network), SHRINK)
        predict = pose_predictor(graph, WEAK, self._canvases)
        return validate_poses(predict, self._folders.data, self._settings.validation)


class KeptViewExamples:
    """Examples of kept views."""

    def __init__(self, kept: KeptViews) -> None:
        self._kept = kept

    def draw(self, rng: np.random.Generator) -> KeptExample:
        """One example."""
        index = int(rng.integers(len(self._kept)))
        joints, areas, certainty = self._kept.labels(index)
        sure: Tensor = torch.cat([level.flatten() for level in certainty])
        labels = {"joints": joints, "areas": areas, "certainty": sure}
        return self._kept.maps(index) | labels
