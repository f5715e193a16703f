"""Top-down heatmaps on MoveNet's MobileNetV2-FPN: what Graph-PCNN and KCAM build on, compact.

Trunk, pyramid and the whole joint-map head come from MoveNet single pose (width 1.75 is Thunder,
1.0 Lightning). Features are the head's 96 channels; the pyramid alone has 24. The last stage, which
Graph-PCNN copies, is the pyramid's way down and the head.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.mobilenet_fpn import (
    HEAD_CHANNELS,
    P5_CHANNELS,
    MobileNetFpn,
    PyramidLayers,
    convolutions_of,
    head_features,
    load_movenet,
    load_movenet_head,
    pyramid,
)

JOINTS = 17
LITTLE_HEAT = -4.0
"""Logit that maps start with."""


class HeatLayer(nn.Conv2d):
    """A 1x1 convolution to 17 maps in (0, 1): MoveNet's maps are logits."""

    def __init__(self, channels: int = HEAD_CHANNELS) -> None:
        super().__init__(channels, JOINTS, 1)
        nn.init.normal_(self.weight, std=0.001)
        nn.init.constant_(self.bias, LITTLE_HEAT)  # type: ignore[arg-type] # it has one

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 17, H, W)."""
        return torch.sigmoid(super().forward(x))


class PyramidStage(nn.Module):
    """A copied last stage: the pyramid's way down and the head's first part."""

    def __init__(self, layers: PyramidLayers, head: nn.Sequential) -> None:
        super().__init__()
        self.lateral4 = copy.deepcopy(layers.lateral4)
        self.lateral3 = copy.deepcopy(layers.lateral3)
        self.lateral2 = copy.deepcopy(layers.lateral2)
        self.smooth4 = copy.deepcopy(layers.smooth4)
        self.smooth3 = copy.deepcopy(layers.smooth3)
        self.smooth2 = copy.deepcopy(layers.smooth2)
        self.head = copy.deepcopy(head)

    def forward(self, shared: list[Tensor]) -> Tensor:
        """What `CompactHeatmaps.shared` returned to (B, 96, H/4, W/4)."""
        features: Tensor = self.head(pyramid(self, shared)[0])
        return features


class WideStage(nn.Module):
    """A last stage of its own (ours), with dense convolutions and room for many joints' offsets.

    The copy of a compact last stage hands on 24 channels and has 0.02 million weights; the papers'
    copies have millions.

    Args:
        layers: whose inputs it shares.
        channels: of all levels.
    """

    def __init__(self, layers: PyramidLayers, channels: int) -> None:
        super().__init__()
        laterals = (layers.lateral4, layers.lateral3, layers.lateral2)
        inputs = (P5_CHANNELS, *(each.in_channels for each in laterals))
        self.enter = nn.ModuleList(_normed(count, channels, 1) for count in inputs)
        self.smooth = nn.ModuleList(
            nn.Sequential(_normed(channels, channels, 3), nn.ReLU()) for _ in laterals
        )

    def forward(self, shared: list[Tensor]) -> Tensor:
        """What `CompactHeatmaps.shared` returned to (B, channels, H/4, W/4)."""
        x: Tensor = self.enter[0](shared[-1])
        rest = zip(list(self.enter)[1:], self.smooth, shared[-2::-1], strict=True)
        for enter, smooth, level in rest:
            x = smooth(functional.interpolate(x, scale_factor=2.0, mode="bilinear") + enter(level))
        return x


def _normed(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class CompactHeatmaps(nn.Module):
    """A `HeatmapNetwork`: RGB crops in [-1, 1] to 17 maps in (0, 1) at stride 4.

    Args:
        width: of the trunk.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.trunk = MobileNetFpn(width)
        self.head = head_features()
        self.final_layer: nn.Conv2d = HeatLayer()

    @property
    def feature_channels(self) -> int:
        """Channels of `features`."""
        return HEAD_CHANNELS

    def shared(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W), sides multiples of 32, to C2, C3, C4 and P5."""
        return self.trunk.upward(pixels)

    def features(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to (B, 96, H/4, W/4)."""
        maps: Tensor = self.head(pyramid(self.trunk, shared)[0])
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) to heatmaps (B, 17, H/4, W/4)."""
        return self.heat(self.shared(pixels))

    def heat(self, shared: list[Tensor]) -> Tensor:
        """What `shared` returned to heatmaps (B, 17, H/4, W/4)."""
        heat: Tensor = self.final_layer(self.features(shared))
        return heat

    def copy_of_last_stage(self) -> PyramidStage:
        """The pyramid's way down and the head with their present weights, on their own."""
        return PyramidStage(self.trunk, self.head)

    def early_parameters(self) -> Iterator[nn.Parameter]:
        """Of edges and textures, the costliest to train."""
        return self.trunk.early_parameters()


def load_movenet_heatmaps(network: CompactHeatmaps, graph_path: Path) -> None:
    """Copies trunk, pyramid and joint-map head of a MoveNet of the same width.

    Raises:
        ArtefactError: if the graph has other convolutions than expected.
    """
    load_movenet(network.trunk, graph_path)
    load_movenet_head(convolutions_of([network.head, network.final_layer]), "heatmap", graph_path)
