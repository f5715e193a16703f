"""The heatmap networks that top-down tasks train or build on, with their start weights."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar, cast

from pydantic import Field
from torch import nn

from builders.networks.compact_heatmaps import CompactHeatmaps, load_movenet_heatmaps
from builders.networks.guided_heatmaps import GuidedHeatmaps, load_movenet_guided
from builders.networks.heatmap_decode import PeakFinder, peaks, smooth_peaks
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.hrnet import HrNet
from builders.networks.simple_baseline import SimpleBaseline
from builders.networks.topdown_graph import ChannelOrder
from builders.training.settings import Folders, Frozen
from builders.training.start_weights import load_run, load_start

NEW_LAYERS = ("deconv_layers.", "final_layer.")
"""What ImageNet's weights lack."""


class StartedTrunk(Frozen):
    """A trunk that may begin with trained weights."""

    start_weights: Path | None = None


class CompactTrunk(StartedTrunk):
    """MoveNet's MobileNetV2-FPN with its joint-map head."""

    kind: Literal["compact"]
    width: float = Field(gt=0, default=1.75)
    """1.75 is Thunder's, 1.0 Lightning's."""
    guided: bool = False
    """With MoveNet's heads for the person meant, see `GuidedHeatmaps`."""
    start_weights: Path | None = None
    """MoveNet single-pose graph of this width (.onnx), relative to the data folder; or the
    `released.pt` or checkpoint of a `heatmap` run, relative to the folder that this run lies in."""


class ResNetTrunk(StartedTrunk):
    """SimpleBaseline."""

    kind: Literal["resnet"]
    depth: Literal[50, 101, 152] = 50
    start_weights: Path | None = None
    """State of the network or of an ImageNet ResNet, relative to the data folder."""


class HrNetStart(StartedTrunk):
    """HRNet."""

    kind: Literal["hrnet"]
    width: Literal[32, 48] = 32
    start_weights: Path | None = None
    """State of the network or of an ImageNet HRNet, relative to the data folder."""


TrunkT = TypeVar("TrunkT", bound=StartedTrunk)
TrunkSettings = Annotated[CompactTrunk | ResNetTrunk | HrNetStart, Field(discriminator="kind")]


def placed(settings: TrunkT, folders: Folders) -> TrunkT:
    """With the place of a run's checkpoint, which lies beside the run, in full."""
    start = settings.start_weights
    if start is None or start.suffix != ".pt":
        return settings
    return settings.model_copy(update={"start_weights": folders.run.resolve().parent / start})


def build_trunk(settings: TrunkSettings, data: Path) -> nn.Module:
    """The heatmap network with its start weights.

    Raises:
        ConfigError: if the file of start weights lacks a weight of the trunk.
    """
    if isinstance(settings, CompactTrunk):
        return compact_heatmaps(settings, data)
    paper = _paper_network(settings)
    if settings.start_weights is not None:
        load_start(paper, data / settings.start_weights, NEW_LAYERS)
    return paper


def compact_heatmaps(settings: CompactTrunk, data: Path) -> CompactHeatmaps:
    """The compact network with its start weights.

    Raises:
        ConfigError: if they are another network's.
    """
    make = GuidedHeatmaps if settings.guided else CompactHeatmaps
    network, start = make(settings.width), settings.start_weights
    if start is not None and start.suffix == ".pt":
        load_run(network, data / start)
    elif start is not None and isinstance(network, GuidedHeatmaps):
        load_movenet_guided(network, data / start)
    elif start is not None:
        load_movenet_heatmaps(network, data / start)
    return network


def as_heatmap_network(network: nn.Module) -> HeatmapNetwork:
    """What `build_trunk` made, as Graph-PCNN and KCAM take it."""
    return cast(HeatmapNetwork, network)


def channel_order(settings: TrunkSettings) -> ChannelOrder:
    """How the trunk wants its pixels, as its published weights do."""
    orders = {
        "compact": ChannelOrder.RGB_SYMMETRIC,
        "resnet": ChannelOrder.BGR,
        "hrnet": ChannelOrder.RGB,
    }
    return orders[settings.kind]


def first_cell_px(settings: TrunkSettings) -> float:
    """Where the first cell of the trunk's maps lies in the crop.

    HRNet's code has 0; MoveNet's cells of 4 pixels lie in their middle.
    """
    return 1.5 if isinstance(settings, CompactTrunk) and settings.guided else 0.0


def peak_finder(settings: TrunkSettings) -> PeakFinder:
    """How joints are found on the trunk's maps.

    Between the cells on guided maps: `graph_pcnn` has .006 to .016 more AP in true boxes so, `kcam`
    .004 to .009, though neither was trained for it (`docs/training_runs.md`).
    """
    guided = isinstance(settings, CompactTrunk) and settings.guided
    return smooth_peaks if guided else peaks


def _paper_network(settings: ResNetTrunk | HrNetStart) -> nn.Module:
    if isinstance(settings, ResNetTrunk):
        return SimpleBaseline(settings.depth)
    return HrNet(settings.width)
