"""MobileNetV2-FPN trunk at stride 4, formed as MoveNet MultiPose so that its weights load.

Sources: MobileNetV2 (Sandler et al., CVPR 2018, table 2) at width 1.5; feature pyramid as in
MoveNet's published graph (Apache-2.0). Batch norms are folded into the convolutions, as in that
graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stream.errors import ArtefactError

STAGES = (
    (1, 24, 1, 1),
    (6, 40, 2, 2),
    (6, 48, 3, 2),
    (6, 96, 4, 2),
    (6, 144, 3, 1),
    (6, 240, 3, 2),
    (6, 480, 1, 1),
)
"""(expansion, channels, blocks, stride of the first block)."""

TAPS = {2: 40, 5: 48, 9: 96}
"""Blocks that feed the pyramid, with their channels: strides 4, 8, 16."""

P5_CHANNELS, P4_CHANNELS, P3_CHANNELS, P2_CHANNELS = 64, 32, 24, 24


@dataclass(frozen=True, slots=True, eq=False)
class TrunkMaps:
    """Maps of the trunk; p: of the pyramid, c: of the blocks; cN is at stride 2 ** N."""

    p2: Tensor
    p3: Tensor
    p4: Tensor
    p5: Tensor
    c3: Tensor
    c4: Tensor


class _Convolution(nn.Module):
    """TensorFlow's SAME padding (the odd pixel goes right and down), convolution, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = 0 if stride == 2 else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        return functional.relu6(self.conv(x))


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        expand = [_Convolution(inputs, middle)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            _Convolution(middle, middle, 3, stride, middle),
            nn.Conv2d(middle, outputs, 1),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1),
        nn.ReLU(),
    )


class MobileNetFpn(nn.Module):
    """(B, 3, H, W) RGB in [-1, 1], H and W multiples of 32, to pyramid maps at strides 4, 8, 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 48, 3, 2)
        blocks: list[nn.Module] = []
        channels = 48
        for expansion, outputs, count, stride in STAGES:
            for index in range(count):
                first = stride if index == 0 else 1
                blocks.append(_InvertedResidual(channels, outputs, first, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = _Convolution(480, 1280)
        self.lateral5 = nn.Conv2d(1280, P5_CHANNELS, 1)
        self.lateral4 = nn.Conv2d(96, 64, 1)
        self.lateral3 = nn.Conv2d(48, 32, 1)
        self.lateral2 = nn.Conv2d(40, 24, 1)
        self.smooth4 = _separable(64, P4_CHANNELS)
        self.smooth3 = _separable(32, P3_CHANNELS)
        self.smooth2 = _separable(24, P2_CHANNELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns P2 (B, 24, H/4, W/4), P3 (B, 24, H/8, W/8), P4 (B, 32, H/16, W/16)."""
        maps = self.maps(x)
        return maps.p2, maps.p3, maps.p4

    def maps(self, x: Tensor) -> TrunkMaps:
        """The pyramid with what it is made from, for networks that use coarse levels too."""
        x = self.stem(x)
        taps = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps[index] = x
        c2, c3, c4 = taps.values()
        p5 = self.lateral5(self.last(x))
        p4 = self.smooth4(_twice(p5) + self.lateral4(c4))
        p3 = self.smooth3(_twice(p4) + self.lateral3(c3))
        p2 = self.smooth2(_twice(p3) + self.lateral2(c2))
        return TrunkMaps(p2, p3, p4, p5, c3, c4)

    def early_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters up to the first tap: edges and textures, the costliest to train."""
        yield from self.stem.parameters()
        for block in list(self.blocks)[:3]:
            yield from block.parameters()


class FirstMaps(nn.Module):
    """MoveNet MultiPose's separable heads: a first estimate of heat, centre and offsets.

    Each head is a depthwise 3x3, a 1x1 to 96 channels with ReLU, and a 1x1 to its maps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heat, self.centre, self.regress = (_map_head(count) for count in (17, 1, 34))

    def forward(self, p2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """P2 to heat (B, 17, H, W) and centre (B, 1, H, W) in [0, 1], regress (B, 34, H, W).

        `regress` is joint minus cell, (y, x) of each joint, in cells.
        """
        return torch.sigmoid(self.heat(p2)), torch.sigmoid(self.centre(p2)), self.regress(p2)


def _map_head(maps: int) -> nn.Sequential:
    return nn.Sequential(*_separable(P2_CHANNELS, 96), nn.Conv2d(96, maps, 1))


def load_movenet_heads(heads: FirstMaps, graph_path: Path) -> None:
    """Copies MoveNet MultiPose's heatmap, center and regress heads.

    Raises:
        ArtefactError: if the graph has no such heads.
    """
    pairs = ((heads.heat, "heatmap"), (heads.centre, "center"), (heads.regress, "regress"))
    for head, name in pairs:
        targets = [module for module in head if isinstance(module, nn.Conv2d)]
        _copy(targets, list(_convolutions(graph_path, name))[-len(targets) :], graph_path)


def load_movenet(trunk: MobileNetFpn, graph_path: Path) -> None:
    """Copies the convolutions of MoveNet MultiPose up to its `feature` output into the trunk.

    The graph lists the convolutions in the order of execution, which is the order of
    construction here: stem, blocks, last, lateral 5-2, then depthwise and pointwise of smooth 4-2.

    Raises:
        ArtefactError: if the graph has other convolutions than expected.
    """
    targets = [module for module in trunk.modules() if isinstance(module, nn.Conv2d)]
    _copy(targets, list(_convolutions(graph_path, "feature")), graph_path)


def _copy(targets: list[nn.Conv2d], sources: list[tuple[Any, Any]], graph_path: Path) -> None:
    if [tuple(t.weight.shape) for t in targets] != [weight.shape for weight, _ in sources]:
        raise ArtefactError(
            f"{graph_path.name}: {len(sources)} convolutions do not match the {len(targets)} of "
            f"the MobileNetV2-FPN network; expected the MoveNet MultiPose graph"
        )
    with torch.no_grad():
        for target, (weight, bias) in zip(targets, sources, strict=True):
            target.weight.copy_(torch.from_numpy(weight))
            if target.bias is not None:
                target.bias.copy_(torch.from_numpy(bias))


def _convolutions(graph_path: Path, end: str) -> Iterator[tuple[Any, Any]]:
    """(weight, bias) of each Conv in order until the tensor `end`; a missing bias is zeros."""
    import onnx  # noqa: PLC0415 - only this loader needs it
    from onnx import numpy_helper  # noqa: PLC0415

    graph = onnx.load(graph_path).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
        if node.op_type == "Conv":
            weight = values[node.input[1]].astype(np.float32)
            has_bias = len(node.input) > 2
            bias = values[node.input[2]] if has_bias else np.zeros(weight.shape[0])
            yield weight, bias.astype(np.float32)
        if end in node.output:
            return


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
