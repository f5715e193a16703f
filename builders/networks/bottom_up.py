"""Heatmap-guided bottom-up pose network, compact variant.

Heads of HGG (`networks` of its released code): three tied adaptive units with dilations 1, 2, 3
make the joint maps, which guide the regression of offsets and centre. Compact: the trunk is a
MobileNetV2-FPN; MoveNet's separable heads give a first estimate, to which the adaptive heads add;
the units work on 2x2 blocks of stride-4 cells (pixel unshuffle) and their outputs are shuffled
back to stride 4, which costs a quarter of the samples and loses no information.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.adaptive import AdaptiveConvolution, TransformUnit
from builders.networks.mobilenet_fpn import (
    P2_CHANNELS,
    P3_CHANNELS,
    P4_CHANNELS,
    FirstMaps,
    MobileNetFpn,
)

JOINTS = 17
STRIDE = 4
FIRST_MAPS = 17 + 1 + 34
DILATIONS = (1, 2, 3)
OFFSET_SCALE = 8.0
"""Cells per unit of the offset head: offsets reach tens of cells, new weights give about one."""


@dataclass(frozen=True, slots=True)
class BottomUpMaps:
    """What the network predicts, at stride 4; map cell i lies at canvas pixel 4 i + 1.5."""

    heat: Tensor
    """(B, 17, H, W) joint maps, about [0, 1]."""
    centre: Tensor
    """(B, 1, H, W) person centre map, about [0, 1]."""
    offset: Tensor
    """(B, 34, H, W) cell minus joint, (x, y) of each joint, in cells."""
    first: Tensor | None = None
    """(B, 18, H, W) the first estimate of `heat` and `centre`, to which the units add."""
    offset_at: Callable[[Tensor], Tensor] | None = None
    """Cells (B, M), counted row by row, to `offset` there (B, 34, M), where it is cheaper so."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Which adaptive units there are, and how wide."""

    guide_channels: int = 32
    """Of the joint-map units."""
    regression_channels: int | None = 64
    """Of the offset unit; without one, offsets and centre are the first estimate's."""
    guide_units: int = len(DILATIONS)
    """Joint-map units, of the first so many dilations; without any there is no offset unit either,
    and the network's maps are its first estimate."""

    def __post_init__(self) -> None:
        """Refuses an offset unit that nothing guides."""
        if not self.guide_units and self.regression_channels is not None:
            raise ValueError("an offset unit is guided by joint-map units; there are none")


class CompactBottomUp(nn.Module):
    """Trunk and heads."""

    def __init__(self, heads: HeadSettings = HeadSettings()) -> None:
        super().__init__()
        self.heads = heads
        self.trunk = MobileNetFpn()
        self.first = FirstMaps()
        features = (P2_CHANNELS + FIRST_MAPS) * 4 + P3_CHANNELS + P4_CHANNELS
        if heads.guide_units:
            self._add_guide(features, heads.guide_channels)
        if heads.regression_channels is not None:
            self._add_regression(features + JOINTS * 4, heads.regression_channels)

    def _add_guide(self, features: int, channels: int) -> None:
        self.transition_guide = _transition(features, channels)
        first, second = AdaptiveConvolution(channels), AdaptiveConvolution(channels)
        self.guide_units = nn.ModuleList(
            TransformUnit(first, second, channels, dilation)
            for dilation in DILATIONS[: self.heads.guide_units]
        )
        self.guide_out = _last(channels, JOINTS)

    def _add_regression(self, features: int, channels: int) -> None:
        self.transition_regression = _transition(features, channels)
        self.regression_unit = TransformUnit(
            AdaptiveConvolution(channels), AdaptiveConvolution(channels), channels, dilation=1
        )
        self.regression_out = _last(channels, 2 * JOINTS + 1)

    def forward(self, pixels: Tensor) -> BottomUpMaps:
        """(B, 3, H, W) RGB in [-1, 1], sides multiples of 32, to maps at stride 4."""
        return self.maps(*self.trunk(pixels))

    def maps(self, p2: Tensor, p3: Tensor, p4: Tensor) -> BottomUpMaps:
        """What the trunk gave to maps at stride 4."""
        heat, centre, regress = self.first(p2)
        offset = -_x_before_y(regress)
        if not self.heads.guide_units:
            at = partial(self._first_offset_at, p2)
            return BottomUpMaps(heat, centre, offset, offset_at=at)
        p4 = functional.interpolate(p4, scale_factor=2.0, mode="bilinear", align_corners=False)
        fine = torch.cat((p2, heat, centre, regress / OFFSET_SCALE), 1)
        features = torch.cat((functional.pixel_unshuffle(fine, 2), p3, p4), 1)
        guide = self.transition_guide(features)
        more = self.guide_out(guide_mean(self.guide_units, guide))  # (B, 68, H/2, W/2)
        first = torch.cat((heat, centre), 1)
        heat = heat + functional.pixel_shuffle(more, 2)
        if self.heads.regression_channels is None:
            return BottomUpMaps(heat, centre, offset, first)
        guided = torch.cat((features, functional.pixel_unshuffle(heat, 2)), 1)
        regression = self.transition_regression(guided)
        out = functional.pixel_shuffle(self.regression_out(self.regression_unit(regression)), 2)
        offset = out[:, : 2 * JOINTS] * OFFSET_SCALE + offset
        return BottomUpMaps(heat, centre + out[:, 2 * JOINTS :], offset, first)

    def _first_offset_at(self, p2: Tensor, cell: Tensor) -> Tensor:
        regress = self.first.regress_at(p2, cell)
        return -_x_before_y(regress[..., None])[..., 0]

    def with_share(self, share: float) -> "CompactBottomUp":
        """A copy in which what the units add counts by a share, the rest is the first estimate.

        Half-way between what a network knew and what it learnt from few pictures is often better
        than both (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
        """
        other = copy.deepcopy(self)
        with torch.no_grad():
            for parameter in other.last_parameters():
                parameter.mul_(share)
        return other

    def last_parameters(self) -> Iterator[nn.Parameter]:
        """Of the layers whose outputs are added to the first estimate."""
        if self.heads.guide_units:
            yield from self.guide_out.parameters()
        if self.heads.regression_channels is not None:
            yield from self.regression_out.parameters()

    def lighter(self) -> "CompactBottomUp":
        """A copy with the first joint-map unit alone and no offset unit, much cheaper.

        What the units learnt together, the mean of their maps, the first says nearly as well.
        """
        return self._with_units(1)

    def without_units(self) -> "CompactBottomUp":
        """A copy that says its first estimate alone."""
        return self._with_units(0)

    def _with_units(self, count: int) -> "CompactBottomUp":
        other = CompactBottomUp(replace(self.heads, guide_units=count, regression_channels=None))
        known = self.state_dict()
        other.load_state_dict({name: known[name] for name in other.state_dict()})
        return other.train(self.training)


def heads_of(weights: Mapping[str, Tensor]) -> HeadSettings:
    """The units whose weights these are."""
    units = {name.split(".")[1] for name in weights if name.startswith("guide_units.")}
    regression = weights.get("transition_regression.0.weight")
    guide = weights.get("transition_guide.0.weight")
    return HeadSettings(
        guide_channels=HeadSettings().guide_channels if guide is None else len(guide),
        regression_channels=None if regression is None else len(regression),
        guide_units=len(units),
    )


def _x_before_y(regress: Tensor) -> Tensor:
    """(B, 34, H, W) with (y, x) of each joint to (x, y)."""
    B, _, H, W = regress.shape
    return regress.reshape(B, JOINTS, 2, H, W).flip(2).reshape(B, 2 * JOINTS, H, W)


def guide_mean(units: nn.ModuleList, guide: Tensor) -> Tensor:
    """The mean of the units' outputs: equals the mean of their maps, as `guide_out` is linear."""
    total = sum((unit(guide) for unit in units), torch.zeros_like(guide))
    return total / len(units)


def _last(channels: int, maps: int) -> nn.Conv2d:
    """Gives `maps` maps in 2x2 blocks; begins with nearly nothing, so with the first estimate."""
    last = nn.Conv2d(channels, maps * 4, 1)
    for parameter in last.parameters():
        nn.init.normal_(parameter, std=0.001)
    return last


def _transition(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
