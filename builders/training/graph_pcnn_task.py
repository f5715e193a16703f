"""Trains Graph-PCNN: both stages in one run, on any heatmap network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn

from builders.networks.compact_heatmaps import CompactHeatmaps, PyramidStage, WideStage
from builders.networks.graph_pcnn import GraphPcnn, GuidedPoints, Refinement, shortened
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.graph_pcnn_training import (
    Truth,
    guided_points,
    lacking_loss,
    moved_peaks,
    refinement_loss,
)
from builders.networks.topdown_graph import FlipTest, TopDownGraph
from builders.training.settings import Folders
from builders.training.start_weights import load_run
from builders.training.task import Losses
from builders.training.topdown_task import HeatmapTask, TopDownSettings
from builders.training.topdown_trunks import CompactTrunk, as_heatmap_network, peak_finder


class GraphPcnnSettings(TopDownSettings):
    """The recipe's `task` section."""

    hidden: int | None = Field(gt=0, default=None)
    """Width of the refinement's head; that of the features by default."""
    wide_stage: int | None = Field(gt=0, default=None)
    """Channels of a second stage of dense convolutions on a compact trunk, which begins anew; by
    default the second stage is the paper's copy of the first one's."""
    points: int | None = Field(ge=3, default=None)
    """Guided points per joint and crop; the paper's by default, a sixteenth of the cells."""
    point_sigma: float | None = Field(gt=0, default=None)
    """In cells: points within thrice this of the truth learn to reach it, within twice they help
    their neighbours; by default that of the maps (the paper does not say)."""
    learns: Literal["offsets", "similarity"] = "offsets"
    """Offsets of points drawn about the joint, as in the paper; or the similarity of what becomes
    of the first stage's own peaks, which is what is measured (ours): see `lacking_loss`."""
    start_run: Path | None = None
    """Checkpoint of a run of this network, or a released `model.onnx` of it, relative to the folder
    that this run lies in: all of it is what is begun with."""
    offset_share: float = Field(gt=0, le=1, default=1.0)
    """Of each offset that the released network keeps (ours): the peaks of a trained first stage lie
    nearer to the joints than the points that it learnt at, so that whole offsets overshoot."""

    @model_validator(mode="after")
    def _widens_a_compact_trunk(self) -> Self:
        if self.wide_stage is not None and not isinstance(self.trunk, CompactTrunk):
            raise ValueError("wide_stage: the trunk must be compact")
        return self


Parts = dict[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What both stages make of a batch of crops."""

    shared: Any
    """Of the first stage, for the second one."""
    heat: Tensor
    """(B, 17, H, W) of whomever the joints are."""
    features: Tensor
    """(B, C, H, W) of the second stage."""


class GraphPcnnTask(HeatmapTask):
    """See `TrainingTask`."""

    def __init__(self, settings: GraphPcnnSettings, folders: Folders) -> None:
        super().__init__(settings, folders)
        self._hidden, self._sigma = settings.hidden, settings.point_sigma or settings.sigma_cells()
        self._offset_share, self._start_run = settings.offset_share, settings.start_run
        self._points, self._wide = settings.points, settings.wide_stage
        self._learns = settings.learns

    def build(self) -> GraphPcnn:
        """A copied last stage starts from the trunk's start weights."""
        network = self._begun()
        if self._start_run is not None:
            load_run(network, self._folders.run.resolve().parent / self._start_run)
        return network

    def _begun(self) -> GraphPcnn:
        trunk = self.trunk()
        stage1, finder = as_heatmap_network(trunk), peak_finder(self._settings.trunk)
        if self._wide is None or not isinstance(trunk, CompactHeatmaps):
            return GraphPcnn(stage1, self._hidden, find_peaks=finder)
        return GraphPcnn(
            stage1,
            self._hidden,
            second=WideStage(trunk.trunk, self._wide),
            channels=self._wide,
            find_peaks=finder,
        )

    def started(self, network: nn.Module) -> Iterator[nn.Parameter]:
        """The heatmap network and its copied last stage."""
        yield from super().started(network)
        for each in network.modules():
            if isinstance(each, PyramidStage):
                yield from each.parameters()

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """The maps' loss and that of guided points drawn about them."""
        own = cast(GraphPcnn, network)
        pixels = self.pixels(batch)
        shared = own.stage1.shared(pixels)
        heat, parts = self.heat_parts(own.stage1, shared, batch)
        features = own.second(shared)
        second = self._similarity if self._learns == "similarity" else self._offsets
        parts |= second(own, Looked(shared, heat, features.float()), batch, random)
        return self.with_teacher(pixels, heat, parts)

    def _offsets(self, own: GraphPcnn, looked: Looked, batch: Any, random: Generator) -> Parts:
        truth = Truth(batch["xy"], batch["weight"], self._sigma)
        points = guided_points(looked.heat, truth, random, self._points)
        return {"refinement": refinement_loss(_refined(own, looked, points), points, truth)}

    def _similarity(self, own: GraphPcnn, looked: Looked, batch: Any, random: Generator) -> Parts:
        truth = Truth(batch["xy"], batch["weight"], self._sigma)
        with torch.no_grad():  # of the person meant alone, as in tests
            heat = own.stage1.heat(looked.shared).float()
        points = moved_peaks(heat, own.find_peaks, random)
        found = _refined(own, looked, points)
        return {"similarity": lacking_loss(found, points, truth, batch["area"])}

    def released(self, network: nn.Module) -> nn.Module:
        """See `TrainingTask.released`."""
        whole, share = super().released(network), self._offset_share
        return whole if share == 1 else shortened(cast(GraphPcnn, whole), share)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of the whole network, and of its first stage alone as `stage1 ...`."""
        own, order = cast(GraphPcnn, self.released(network)), self._normalise.order
        stage1 = cast(nn.Module, own.stage1)
        return self.measured(
            {
                "": GraphPcnnGraph(own, order, FlipTest.OFF, self._first_cell_px),
                "stage1": TopDownGraph(
                    stage1, order, FlipTest.OFF, self._first_cell_px, own.find_peaks
                ),
            }
        )


def _refined(own: GraphPcnn, looked: Looked, points: GuidedPoints) -> Refinement:
    """In fp32: bf16 rounds a place to an eighth of a cell."""
    with torch.autocast(looked.features.device.type, enabled=False):
        return own.refine(looked.features, points)
