"""YOLOX-nano's trunk, pyramid and decoupled head with one class, persons, batch norms folded.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430); released
implementation Megvii-BaseDetection/YOLOX, `yolox/models/{darknet,yolo_pafpn,yolo_head}.py` with
`exps/default/yolox_nano.py` (depth 0.33, width 0.25, depthwise). Its Focus layer, which takes every
second pixel into channels before a 3x3 convolution, is here the 6x6 convolution of stride 2 that
does the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from stream.errors import ArtefactError

STRIDES = (8, 16, 32)
WIDTHS = (64, 128, 256)
"""Channels at those strides."""
HEAD_CHANNELS = 64
POOLS = (5, 9, 13)
PERSON = 0
"""Row of COCO's 80 classes in the released weights."""
FOCUS_PLACES = ((0, 0), (1, 0), (0, 1), (1, 1))
"""(row, column) in a block of 2x2 pixels, in the order of the released Focus layer's channels."""

Weights = Mapping[str, NDArray[np.float32]]


class _Convolution(nn.Sequential):
    """Convolution, batch norm folded in, SiLU."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1):
        padding = (side - stride + 1) // 2 if side > stride else 0
        convolution = nn.Conv2d(inputs, outputs, side, stride, padding, groups=groups)
        super().__init__(convolution, nn.SiLU())


def _depthwise(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        _Convolution(inputs, inputs, 3, stride, inputs), _Convolution(inputs, outputs, 1)
    )


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _Convolution(channels, channels, 1), _depthwise(channels, channels)
        )
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class _CrossStage(nn.Module):
    """CSP: half of the channels through the bottlenecks, half past them."""

    def __init__(self, inputs: int, outputs: int, count: int, *, shortcut: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.through = _Convolution(inputs, half, 1)
        self.past = _Convolution(inputs, half, 1)
        self.blocks = nn.Sequential(*(_Bottleneck(half, shortcut=shortcut) for _ in range(count)))
        self.join = _Convolution(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.join(torch.cat((self.blocks(self.through(x)), self.past(x)), 1))
        return joined


class _PyramidPooling(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = _Convolution(channels, channels // 2, 1)
        self.leave = _Convolution(channels // 2 * (1 + len(POOLS)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        pooled = [functional.max_pool2d(x, side, 1, side // 2) for side in POOLS]
        left: Tensor = self.leave(torch.cat((x, *pooled), 1))
        return left


class HeadLevel(nn.Module):
    """Both branches at one stride, with weights of their own.

    Args:
        inputs: channels of the pyramid's level.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.stem = _Convolution(inputs, HEAD_CHANNELS, 1)
        self.kind, self.box = (
            nn.Sequential(*(_depthwise(HEAD_CHANNELS, HEAD_CHANNELS) for _ in range(2)))
            for _ in range(2)
        )
        self.kind_out, self.box_out, self.object_out = (
            nn.Conv2d(HEAD_CHANNELS, count, 1) for count in (1, 4, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) to the level's maps, as in `YoloxMaps`."""
        x = self.stem(x)
        boxes = self.box(x)
        person = torch.cat((self.object_out(boxes), self.kind_out(self.kind(x))), 1)
        return person, self.box_out(boxes)


@dataclass(frozen=True, slots=True, eq=False)
class YoloxMaps:
    """What the network predicts, one entry a stride."""

    person: tuple[Tensor, ...]
    """(B, 2, H, W) logits: that there is an object, and that an object there is a person."""
    boxes: tuple[Tensor, ...]
    """(B, 4, H, W) in strides: centre (x, y) from the cell's corner, log of width and height."""


class YoloxNano(nn.Module):
    """Pixels to maps; 0.9 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        w8, w16, w32 = WIDTHS
        self.stem = _Convolution(3, 16, 6, 2)
        self.dark2 = nn.Sequential(_depthwise(16, 32, 2), _CrossStage(32, 32, 1, shortcut=True))
        self.dark3 = nn.Sequential(_depthwise(32, w8, 2), _CrossStage(w8, w8, 3, shortcut=True))
        self.dark4 = nn.Sequential(_depthwise(w8, w16, 2), _CrossStage(w16, w16, 3, shortcut=True))
        self.dark5 = nn.Sequential(
            _depthwise(w16, w32, 2), _PyramidPooling(w32), _CrossStage(w32, w32, 1, shortcut=False)
        )
        self.lateral16, self.join16 = _Convolution(w32, w16, 1), _joining(2 * w16, w16)
        self.lateral8, self.join8 = _Convolution(w16, w8, 1), _joining(2 * w8, w8)
        self.down16, self.again16 = _depthwise(w8, w8, 2), _joining(2 * w8, w16)
        self.down32, self.again32 = _depthwise(w16, w16, 2), _joining(2 * w16, w32)
        self.heads = nn.ModuleList(HeadLevel(width) for width in WIDTHS)

    def forward(self, pixels: Tensor) -> YoloxMaps:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32."""
        # The released weights take 0 to 255; scaled here, so that zero padding stays black.
        levels = self._pyramid(self.stem((pixels + 1) * 127.5))
        found = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        return YoloxMaps(tuple(person for person, _ in found), tuple(boxes for _, boxes in found))

    def _pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c8 = self.dark3(self.dark2(x))
        c16 = self.dark4(c8)
        to16 = self.lateral16(self.dark5(c16))
        to8 = self.lateral8(self.join16(torch.cat((_twice(to16), c16), 1)))
        p8 = self.join8(torch.cat((_twice(to8), c8), 1))
        p16 = self.again16(torch.cat((self.down16(p8), to8), 1))
        p32 = self.again32(torch.cat((self.down32(p16), to16), 1))
        return p8, p16, p32


def _joining(inputs: int, outputs: int) -> _CrossStage:
    return _CrossStage(inputs, outputs, 1, shortcut=False)


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def execution_order(network: YoloxNano) -> list[nn.Conv2d]:
    """The convolutions in the order in which the released graph has them."""
    net = network
    parts: list[nn.Module] = [net.stem, net.dark2, net.dark3, net.dark4, net.dark5]
    parts += [net.lateral16, net.join16, net.lateral8, net.join8]
    parts += [net.down16, net.again16, net.down32, net.again32]
    return [each for part in parts for each in _ordered(part)]


def _ordered(part: nn.Module) -> list[nn.Conv2d]:
    """A cross stage runs its past branch before its blocks."""
    if isinstance(part, _CrossStage):
        inner: tuple[nn.Module, ...] = (part.through, part.past, part.blocks, part.join)
        return [each for module in inner for each in _ordered(module)]
    if isinstance(part, nn.Conv2d):
        return [part]
    return [each for child in part.children() for each in _ordered(child)]


def load_yolox_nano(network: YoloxNano, graph_path: Path) -> None:
    """Copies the weights of a released ONNX graph; of its 80 classes, the person's.

    Raises:
        ArtefactError: if the graph is not YOLOX-nano.
    """
    graph = onnx.load(graph_path).graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    names = [tuple(node.input[1:]) for node in graph.node if node.op_type == "Conv"]
    trunk = execution_order(network)
    heads = [each for head in network.heads for each in _head_order(cast(HeadLevel, head))]
    if len(names) != len(trunk) + len(heads):
        raise ArtefactError(
            f"{graph_path}: expected YOLOX-nano's {len(trunk) + len(heads)} convolutions, "
            f"got {len(names)}; take yolox_nano.onnx of YOLOX's releases"
        )
    for convolution, (weight, bias) in zip([*trunk, *heads], names, strict=True):
        _copy(convolution, weights[weight], weights[bias], graph_path)


def _head_order(head: HeadLevel) -> list[nn.Conv2d]:
    parts: tuple[nn.Module, ...] = (head.stem, head.kind, head.kind_out)
    parts += (head.box, head.box_out, head.object_out)
    return [each for part in parts for each in _ordered(part)]


def _copy(
    convolution: nn.Conv2d, weight: NDArray[np.float32], bias: NDArray[np.float32], path: Path
) -> None:
    if weight.shape[1:] == (12, 3, 3):
        weight = _unfocused(weight)
    if len(weight) == 80:
        weight, bias = weight[[PERSON]], bias[[PERSON]]
    if tuple(weight.shape) != tuple(convolution.weight.shape) or convolution.bias is None:
        raise ArtefactError(
            f"{path}: a convolution is {weight.shape}, expected {tuple(convolution.weight.shape)}"
        )
    with torch.no_grad():
        convolution.weight.copy_(torch.from_numpy(weight.copy()))
        convolution.bias.copy_(torch.from_numpy(bias.copy()))


def _unfocused(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C, 12, 3, 3) over BGR blocks to (C, 3, 6, 6) over RGB pixels."""
    wide = np.zeros((len(weight), 3, 6, 6), np.float32)
    for place, (row, column) in enumerate(FOCUS_PLACES):
        wide[:, :, row::2, column::2] = weight[:, 3 * place : 3 * place + 3]
    return wide[:, ::-1]
