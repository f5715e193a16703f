"""Trains top-down heatmap networks: SimpleBaseline, HRNet, and the compact one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from builders.networks.compact_heatmaps import CompactHeatmaps
from builders.networks.guided_heatmaps import GuidedHeatmaps
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.heatmap_targets import SIGMA_BY_CROP_HEIGHT, gaussian_targets, heatmap_loss
from builders.networks.topdown_graph import FlipTest, Normalise, TopDownGraph
from builders.training.crops import Crop, Crops, CropSettings
from builders.training.guided_loss import guided_parts
from builders.training.labels import OUTLINE_SHARE
from builders.training.sets import load_sets
from builders.training.settings import DataSettings, Folders, Frozen, KeptSettings, StartSettings
from builders.training.start_weights import between, load_run
from builders.training.task import Losses, ParameterGroup, TrainingTask, started_groups
from builders.training.topdown_trunks import (
    CompactTrunk,
    TrunkSettings,
    as_heatmap_network,
    build_trunk,
    channel_order,
    first_cell_px,
    peak_finder,
    placed,
)
from builders.training.topdown_validation import CropForm, validate_in_true_boxes

STRIDE = 4


class TeacherSettings(Frozen):
    """A trained heatmap network whose maps are learnt besides the labels."""

    trunk: TrunkSettings
    checkpoint: Path | None = None
    """Of a `heatmap` run, relative to the data folder; without it the trunk's start weights."""
    weight: float = Field(gt=0, default=0.5)
    """Of its part of the loss."""


class TopDownSettings(DataSettings, StartSettings, KeptSettings):
    """The recipe's `task` section."""

    trunk: TrunkSettings
    crop: CropSettings = CropSettings()
    sigma: float | None = Field(gt=0, default=None)
    """Of the Gaussians, in cells; by default the published one of the crop's height."""
    exact_targets: bool = False
    """Gaussians about the joints, not about the nearest cells: see `gaussian_targets`."""
    heat_weight: float = Field(gt=0, default=1.0)
    """Of the loss of the maps, beside other parts."""
    distillation: TeacherSettings | None = None
    released_share: float = Field(gt=0, le=1, default=1.0)
    """Of the way from the start weights that a `heatmap` run's released network went: `between`."""

    def sigma_cells(self) -> float:
        """Published for 256 and 384 pixels; other crops in proportion."""
        if self.sigma is not None:
            return self.sigma
        return SIGMA_BY_CROP_HEIGHT.get(self.crop.height, self.crop.height / 128)

    def targets(self) -> "MapTargets":
        """Of the joints' maps."""
        return MapTargets(self.sigma_cells(), first_cell_px(self.trunk), exact=self.exact_targets)


@dataclass(frozen=True, slots=True)
class MapTargets:
    """How a joint is drawn on its map."""

    sigma: float
    """In cells."""
    first_cell_px: float = 0.0
    """Where the maps' first cell lies in the crop."""
    exact: bool = False
    """See `gaussian_targets`."""


class HeatmapTask(TrainingTask):
    """See `TrainingTask`."""

    def __init__(self, settings: TopDownSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders
        self._normalise = Normalise(channel_order(settings.trunk))
        self._first_cell_px = first_cell_px(settings.trunk)
        self._teacher: nn.Module | None = None

    def build(self) -> nn.Module:
        """The heatmap network."""
        return self.trunk()

    def trunk(self) -> nn.Module:
        """The heatmap network with its start weights."""
        return build_trunk(placed(self._settings.trunk, self._folders), self._folders.data)

    def groups(self, network: nn.Module, rate: float) -> Sequence[ParameterGroup]:
        """All alike, as in the papers; the compact trunk at a rate of its own, its beginning never.

        See `TrainingTask.groups`.
        """
        if not isinstance(self._settings.trunk, CompactTrunk):
            return super().groups(network, rate)
        started = list(self.started(network))
        still = [p for each in _compacts(network) for p in each.early_parameters()]
        rates = (rate, self._settings.trunk_rate)
        return started_groups(network, started, still, rates, self._settings)

    def started(self, network: nn.Module) -> Iterator[nn.Parameter]:
        """Parameters of a compact network that come with start weights."""
        for each in _compacts(network):
            yield from each.parameters()

    def examples(self) -> "CropExamples":
        """See `TrainingTask.examples`."""
        crops = Crops(load_sets(self._settings, self._folders), self._settings.crop)
        return CropExamples(crops, self._settings.targets())

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """See `TrainingTask.loss`."""
        pixels = self.pixels(batch)
        own = as_heatmap_network(network)
        maps, parts = self.heat_parts(own, own.shared(pixels), batch)
        return self.with_teacher(pixels, maps, parts)

    def heat_parts(
        self, network: HeatmapNetwork, shared: Any, batch: Any
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint maps in floats, of whomever they are, and the losses of all that is predicted."""
        if isinstance(network, GuidedHeatmaps):
            found = network.maps_of(shared).float()
            parts = guided_parts(found, batch["xy"].float(), batch["weight"].float())
            maps = found.heat
        else:
            maps, parts = network.heat(shared).float(), {}
        parts["heat"] = heatmap_loss(maps, batch["heat"], batch["weight"])
        return maps, {name: self._settings.heat_weight * part for name, part in parts.items()}

    def pixels(self, batch: Any) -> Tensor:
        """Crops as the trunk wants them."""
        crops = batch["crops"]
        normalised: Tensor = self._normalise.to(crops.device)(crops)
        return normalised.contiguous(memory_format=torch.channels_last)

    def with_teacher(self, pixels: Tensor, maps: Tensor, parts: dict[str, Tensor]) -> Losses:
        """Sum and parts, with the teacher's if there is one."""
        settings = self._settings.distillation
        if settings is not None:
            with torch.no_grad():
                wanted = self.teacher(pixels.device)(pixels).float()
            everywhere = maps.new_ones(maps.shape[:2])
            parts["teacher"] = settings.weight * heatmap_loss(maps, wanted, everywhere)
        return torch.stack(list(parts.values())).sum(), parts

    def teacher(self, device: torch.device) -> nn.Module:
        """The network that is learnt from, in evaluation mode."""
        settings = self._settings.distillation
        if self._teacher is None and settings is not None:
            teacher = build_trunk(settings.trunk, self._folders.data)
            if settings.checkpoint is not None:
                load_run(teacher, self._folders.data / settings.checkpoint)
            self._teacher = teacher.to(device).eval()
        assert self._teacher is not None  # noqa: S101 - asked for only where there is one
        return self._teacher

    def validate(self, network: nn.Module) -> dict[str, float]:
        """AP, AR and PCK in true boxes, without the flip test."""
        own = self.released(network).eval()
        order, first = self._normalise.order, self._first_cell_px
        finder = peak_finder(self._settings.trunk)
        return self.measured({"": TopDownGraph(own, order, FlipTest.OFF, first, finder)})

    def released(self, network: nn.Module) -> nn.Module:
        """See `TrainingTask.released`."""
        share = self._settings.released_share
        return network if share == 1 else between(self.build(), network, share)

    def measured(self, graphs: dict[str, nn.Module]) -> dict[str, float]:
        """Accuracies of several decoded forms by the words before `SET METRIC`."""
        crop = self._settings.crop
        found: dict[str, float] = {}
        for words, graph in graphs.items():
            form = CropForm(graph, (crop.width, crop.height), crop.padding)
            figures = validate_in_true_boxes(form, self._folders.data, self._settings.validation)
            found |= {f"{words} {name}".strip(): value for name, value in figures.items()}
        return found


class CropExamples:
    """Crops with their target maps.

    Args:
        crops: of the training sets.
        targets: how joints are drawn.
    """

    def __init__(self, crops: Crops, targets: MapTargets) -> None:
        self.crops, self._targets = crops, targets

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One example."""
        return self.of(self.crops.draw(rng), rng)

    def of(self, crop: Crop, _: np.random.Generator) -> dict[str, Tensor]:
        """The example of a crop; nothing else is random."""
        return crop_example(crop, self._targets)


def crop_example(crop: Crop, targets: MapTargets) -> dict[str, Tensor]:
    """What is learnt from a crop: `crops` (h, w, 3) uint8, `heat`, `weight` (17,), `xy` in cells.

    A joint beyond the crop has weight 0, one of a teacher less than 1. `area` is the person's, in
    cells squared, as COCO's similarity takes it.
    """
    height, width = crop.pixels.shape[:2]
    cells = (width // STRIDE, height // STRIDE)
    first = targets.first_cell_px
    joints = crop.joints - np.array([first, first, 0], np.float32)
    heat, known = gaussian_targets(joints, cells, STRIDE, targets.sigma, exact=targets.exact)
    arrays = {
        "crops": crop.pixels,
        "heat": heat,
        "weight": known * crop.joints[:, 2],
        "xy": joints[:, :2] / STRIDE,
        "area": np.array(OUTLINE_SHARE * crop.area_px2 / STRIDE**2, np.float32),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _compacts(network: nn.Module) -> list[CompactHeatmaps]:
    return [each for each in network.modules() if isinstance(each, CompactHeatmaps)]
