"""MobileNetV2-FPN trunk at stride 4, formed as MoveNet so that its weights load.

Sources: MobileNetV2 (Sandler et al., CVPR 2018, table 2); feature pyramid as in MoveNet's published
graphs (Apache-2.0): width 1.0 is Lightning's, 1.5 MultiPose's, 1.75 Thunder's. Batch norms are
folded into the convolutions, as in those graphs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stream.errors import ArtefactError

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, channels at width 1, blocks, stride of the first block)."""
STEM_CHANNELS = 32
"""At width 1."""
LAST_CHANNELS = 1280
"""At every width."""
WIDTH = 1.5
"""MultiPose's."""

TAPS = {2: 40, 5: 48, 9: 96}
"""Blocks that feed the pyramid: strides 4, 8, 16; with their channels at MultiPose's width."""

P5_CHANNELS, P4_CHANNELS, P3_CHANNELS, P2_CHANNELS = 64, 32, 24, 24
HEAD_CHANNELS = 96

HEADS = {"heatmap": "/kpt_heatmap_0/", "center": "/center_0/", "regress": "/kpt_regress_0/"}
"""What tells a head's convolutions in the names of MoveNet's graphs."""


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


def widened(channels: int, width: float) -> int:
    """Channels at a width: the nearest multiple of 8, not below nine tenths (MobileNet's code)."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class MobileNetFpn(nn.Module):
    """(B, 3, H, W) RGB in [-1, 1], H and W multiples of 32, to pyramid maps at strides 4, 8, 16.

    Args:
        width: factor of all channels of the blocks.
    """

    def __init__(self, width: float = WIDTH) -> None:
        super().__init__()
        channels = widened(STEM_CHANNELS, width)
        self.stem = _Convolution(3, channels, 3, 2)
        blocks: list[nn.Module] = []
        taps: list[int] = []
        for expansion, base, count, stride in STAGES:
            outputs = widened(base, width)
            for index in range(count):
                first = stride if index == 0 else 1
                if len(blocks) in TAPS:
                    taps.append(outputs)
                blocks.append(_InvertedResidual(channels, outputs, first, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.last = _Convolution(channels, LAST_CHANNELS)
        self.lateral5 = nn.Conv2d(LAST_CHANNELS, P5_CHANNELS, 1)
        self.lateral4 = nn.Conv2d(taps[2], 64, 1)
        self.lateral3 = nn.Conv2d(taps[1], 32, 1)
        self.lateral2 = nn.Conv2d(taps[0], 24, 1)
        self.smooth4 = _separable(64, P4_CHANNELS)
        self.smooth3 = _separable(32, P3_CHANNELS)
        self.smooth2 = _separable(24, P2_CHANNELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns P2 (B, 24, H/4, W/4), P3 (B, 24, H/8, W/8), P4 (B, 32, H/16, W/16)."""
        maps = self.maps(x)
        return maps.p2, maps.p3, maps.p4

    def maps(self, x: Tensor) -> TrunkMaps:
        """The pyramid with what it is made from, for networks that use coarse levels too."""
        c2, c3, c4, p5 = self.upward(x)
        p2, p3, p4 = pyramid(self, [c2, c3, c4, p5])
        return TrunkMaps(p2, p3, p4, p5, c3, c4)

    def upward(self, x: Tensor) -> list[Tensor]:
        """What the pyramid is made from: C2, C3, C4 and P5."""
        x = self.stem(x)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return [*taps, self.lateral5(self.last(x))]

    def upward_convolutions(self) -> list[nn.Conv2d]:
        """Those of `upward` and the other laterals, in the order of execution."""
        parts = [self.stem, *self.blocks, self.last, self.lateral5]
        return convolutions_of([*parts, self.lateral4, self.lateral3, self.lateral2])

    def smoothing_convolutions(self) -> list[nn.Conv2d]:
        """Depthwise and pointwise of the three smoothing layers."""
        return convolutions_of([self.smooth4, self.smooth3, self.smooth2])

    def early_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters up to the first tap: edges and textures, the costliest to train."""
        yield from self.stem.parameters()
        for block in list(self.blocks)[:3]:
            yield from block.parameters()


class PyramidLayers(Protocol):
    """The downward path of the trunk, or of a copy of it."""

    lateral4: nn.Conv2d
    lateral3: nn.Conv2d
    lateral2: nn.Conv2d
    smooth4: nn.Sequential
    smooth3: nn.Sequential
    smooth2: nn.Sequential


def pyramid(layers: PyramidLayers, upward: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """C2, C3, C4, P5 to P2, P3, P4."""
    c2, c3, c4, p5 = upward
    p4 = layers.smooth4(_twice(p5) + layers.lateral4(c4))
    p3 = layers.smooth3(_twice(p4) + layers.lateral3(c3))
    p2 = layers.smooth2(_twice(p3) + layers.lateral2(c2))
    return p2, p3, p4


def convolutions_of(modules: Iterable[nn.Module]) -> list[nn.Conv2d]:
    """All convolutions within the modules, in their order."""
    return [each for module in modules for each in module.modules() if isinstance(each, nn.Conv2d)]


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

    def regress_at(self, p2: Tensor, cell: Tensor) -> Tensor:
        """`regress` (B, 34, M) at cells (B, M), counted row by row: much cheaper for a few."""
        weight = convolutions_of([self.regress])[0].weight
        windows = windows_at(p2, cell)
        features = functional.conv2d(windows, weight, stride=3, groups=windows.shape[1])
        values: Tensor = self.regress[1:](features)
        return values[:, :, 0]


def windows_at(maps: Tensor, cell: Tensor) -> Tensor:
    """(B, C, 3, 3 M): the 3x3 cells of maps (B, C, H, W) around cells (B, M), side by side."""
    row = maps.shape[3] + 2
    padded = functional.pad(maps, (1, 1, 1, 1)).flatten(2)
    corner = cell + 2 * torch.div(cell, maps.shape[3], rounding_mode="trunc")
    rows = [torch.stack([corner + y * row + x for x in range(3)], -1) for y in range(3)]
    index = torch.stack(rows, 1).flatten(1)[:, None].expand(-1, maps.shape[1], -1)
    windows = padded.gather(2, index)
    return windows.reshape(*windows.shape[:2], 3, -1)


def head_features() -> nn.Sequential:
    """The first part of each of MoveNet's heads: P2 to (B, 96, H, W)."""
    return _separable(P2_CHANNELS, HEAD_CHANNELS)


def _map_head(maps: int) -> nn.Sequential:
    return nn.Sequential(*head_features(), nn.Conv2d(HEAD_CHANNELS, maps, 1))


def load_movenet_heads(heads: FirstMaps, graph_path: Path) -> None:
    """Copies MoveNet's heatmap, center and regress heads.

    Raises:
        ArtefactError: if the graph has no such heads.
    """
    pairs = ((heads.heat, "heatmap"), (heads.centre, "center"), (heads.regress, "regress"))
    for head, name in pairs:
        load_movenet_head(convolutions_of(head), name, graph_path)


def load_movenet_head(targets: list[nn.Conv2d], name: str, graph_path: Path) -> None:
    """Copies one of MoveNet's heads, `heatmap`, `center` or `regress`.

    Raises:
        ArtefactError: if the graph has no such head.
    """
    own = [each for each in _convolutions(graph_path) if HEADS[name] in each.place]
    _copy(targets, own, graph_path)


def load_movenet(trunk: MobileNetFpn, graph_path: Path) -> None:
    """Copies the convolutions of a MoveNet of the same width into the trunk.

    The graph lists them in the order of execution: the blocks and the topmost lateral, then, either
    way round, laterals and smoothing layers (a depthwise convolution and the one that follows it).

    Raises:
        ArtefactError: if the graph has other convolutions than expected.
    """
    upward, smoothing = trunk.upward_convolutions(), trunk.smoothing_convolutions()
    found = _convolutions(graph_path)[: len(upward) + len(smoothing)]
    first = len(upward) - 3
    smooth = [each.is_separable(before) for before, each in pairwise(found)]
    rest = list(zip(found[first:], smooth[first - 1 :], strict=True))
    laterals = [each for each, belongs in rest if not belongs]
    _copy(upward, found[:first] + laterals, graph_path)
    _copy(smoothing, [each for each, belongs in rest if belongs], graph_path)


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Of one convolution of a graph."""

    weight: Any
    bias: Any
    """Zeros where it has none."""
    place: str
    """Its inputs' and outputs' names, which tell the part of MoveNet."""

    @property
    def depthwise(self) -> bool:
        return bool(self.weight.shape[1] == 1)

    def is_separable(self, before: "_Weights") -> bool:
        """Whether it is half of a depthwise and pointwise pair."""
        return self.depthwise or before.depthwise


def _copy(targets: list[nn.Conv2d], sources: list[_Weights], graph_path: Path) -> None:
    if [tuple(t.weight.shape) for t in targets] != [each.weight.shape for each in sources]:
        raise ArtefactError(
            f"{graph_path.name}: {len(sources)} convolutions do not match the {len(targets)} of "
            f"the MobileNetV2-FPN network; expected a MoveNet graph of the same width"
        )
    with torch.no_grad():
        for target, source in zip(targets, sources, strict=True):
            target.weight.copy_(torch.from_numpy(source.weight))
            if target.bias is not None:
                target.bias.copy_(torch.from_numpy(source.bias))


def _convolutions(graph_path: Path) -> list[_Weights]:
    """Every Conv of a graph in order."""
    import onnx  # noqa: PLC0415 - only this loader needs it
    from onnx import numpy_helper  # noqa: PLC0415

    graph = onnx.load(graph_path).graph
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
        if node.op_type == "Conv":
            weight = values[node.input[1]].astype(np.float32)
            bias = values[node.input[2]] if len(node.input) > 2 else np.zeros(weight.shape[0])
            place = " ".join([*node.input, *node.output])
            found.append(_Weights(weight, bias.astype(np.float32), place))
    return found


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
