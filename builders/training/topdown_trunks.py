"""The heatmap networks that top-down tasks train or build on, with their start weights."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import nn

from builders.networks.compact_heatmaps import CompactHeatmaps, load_movenet_heatmaps
from builders.networks.heatmap_network import HeatmapNetwork
from builders.networks.hrnet import HrNet
from builders.networks.simple_baseline import SimpleBaseline
from builders.networks.topdown_graph import ChannelOrder
from builders.training.settings import Frozen
from stream.errors import ConfigError

NEW_LAYERS = ("deconv_layers.", "final_layer.")
"""What ImageNet's weights lack."""


class CompactTrunk(Frozen):
    """MoveNet's MobileNetV2-FPN with its joint-map head."""

    kind: Literal["compact"]
    width: float = Field(gt=0, default=1.75)
    """1.75 is Thunder's, 1.0 Lightning's."""
    start_weights: Path | None = None
    """MoveNet single-pose graph of this width, relative to the data folder."""


class ResNetTrunk(Frozen):
    """SimpleBaseline."""

    kind: Literal["resnet"]
    depth: Literal[50, 101, 152] = 50
    start_weights: Path | None = None
    """State of the network or of an ImageNet ResNet, relative to the data folder."""


class HrNetStart(Frozen):
    """HRNet."""

    kind: Literal["hrnet"]
    width: Literal[32, 48] = 32
    start_weights: Path | None = None
    """State of the network or of an ImageNet HRNet, relative to the data folder."""


TrunkSettings = Annotated[CompactTrunk | ResNetTrunk | HrNetStart, Field(discriminator="kind")]


def build_trunk(settings: TrunkSettings, data: Path) -> nn.Module:
    """The heatmap network with its start weights.

    Raises:
        ConfigError: if the file of start weights lacks a weight of the trunk.
    """
    start = settings.start_weights
    if isinstance(settings, CompactTrunk):
        network = CompactHeatmaps(settings.width)
        if start is not None:
            load_movenet_heatmaps(network, data / start)
        return network
    paper = _paper_network(settings)
    if start is not None:
        load_start(paper, data / start)
    return paper


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


def load_start(network: nn.Module, path: Path) -> None:
    """Loads a plain state under published names; new layers may be missing, others may be more.

    Raises:
        ConfigError: if it cannot be read or lacks a weight of the trunk.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"start_weights {path}: {error.strerror}") from error
    state = {name.removeprefix("module."): value for name, value in saved.items()}
    own = network.state_dict()
    fitting = {n: v for n, v in state.items() if n in own and own[n].shape == v.shape}
    missing, _ = network.load_state_dict(fitting, strict=False)
    optional = (*NEW_LAYERS, "num_batches_tracked")
    lacking = [name for name in missing if not any(part in name for part in optional)]
    if lacking:
        raise ConfigError(
            f"start_weights {path}: lacks {len(lacking)} weights of the trunk, as {lacking[0]}; "
            "expected a state under the published names"
        )


def _paper_network(settings: ResNetTrunk | HrNetStart) -> nn.Module:
    if isinstance(settings, ResNetTrunk):
        return SimpleBaseline(settings.depth)
    return HrNet(settings.width)
