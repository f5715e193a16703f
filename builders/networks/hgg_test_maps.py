"""HGG's and DEKR's maps of one picture for decoding: flip test, both strides, several sizes.

Source: released code (`core/inference.py`, `utils/transforms.py`, `tools/valid.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.heatmap_decode import FLIP_ORDER
from builders.networks.hgg import JOINTS, HggMaps
from stream.geometry import CropAffine

COARSE_SHIFT, FINE_SHIFT = 3, 1
"""Pixels by which the mirrored picture moves so that stride-4 or stride-2 cells coincide."""
HEAT_FLIP_ORDER = (*FLIP_ORDER, JOINTS)
"""The centre stays."""


class MirrorEdge(Enum):
    """What the last columns of the moved mirror picture hold."""

    ZEROS = "HGG"
    UNMOVED = "DEKR: as they were"


@dataclass(frozen=True, slots=True, eq=False)
class ScaleMaps:
    """One size of a picture; cell i of a stride-s map lies at its pixel s * i."""

    heat: Tensor
    """(B, 18, h, w): joints and centre, stride 4, or 2 with HigherHRNet."""
    pose: Tensor
    """(B, 34, h, w): where the joints of a person centred there are, x and y in cells of `heat`."""


def hgg_affine(picture: tuple[int, int], short_side: int, scale: float = 1.0) -> CropAffine:
    """How a picture (width, height) lies on the network's input: slack on both sides, zeros there.

    The short side goes to `short_side`, the long one up to a multiple of 64; both times `scale`.
    """
    width, height = picture
    centre = (int(width / 2 + 0.5), int(height / 2 + 0.5))
    long_side = int((short_side / min(picture) * max(picture) + 63) // 64 * 64)
    short, long = int(short_side * scale), int(long_side * scale)
    across, down = (short, long) if width < height else (long, short)
    covered = float(width) if width < height else across / down * height
    return CropAffine(centre, covered, across, down)


def absolute(offset: Tensor) -> Tensor:
    """(B, 34, h, w) cell minus joint to the joints' cells, in the same layout."""
    H, W = offset.shape[2:]
    across = torch.arange(W, dtype=offset.dtype, device=offset.device).expand(H, W)
    down = torch.arange(H, dtype=offset.dtype, device=offset.device)[:, None].expand(H, W)
    return torch.stack((across, down)).repeat(JOINTS, 1, 1) - offset


def mirrored_picture(pixels: Tensor, shift: int, edge: MirrorEdge) -> Tensor:
    """(B, 3, H, W) flipped, then moved left by `shift` pixels."""
    flipped = pixels.flip(3)
    last = flipped[..., -shift:]
    fill = torch.zeros_like(last) if edge is MirrorEdge.ZEROS else last
    return torch.cat((flipped[..., shift:], fill), 3)


def unmirrored_heat(heat: Tensor) -> Tensor:
    """(B, 17 or 18, h, w) of the mirror picture as maps of the picture."""
    return heat.flip(3)[:, list(HEAT_FLIP_ORDER[: heat.shape[1]])]


def unmirrored_pose(pose: Tensor) -> Tensor:
    """(B, 34, h, w) of the mirror picture as joints of the picture: x to w - 1 - x, swapped."""
    B, _, H, W = pose.shape
    joints = pose.flip(3).reshape(B, JOINTS, 2, H, W)[:, list(FLIP_ORDER)]
    return torch.stack((W - 1 - joints[:, :, 0], joints[:, :, 1]), 2).flatten(1, 2)


def upsampled(maps: Tensor, times: int) -> Tensor:
    """(B, C, h, w) to (B, C, times * h, times * w); cell i goes to times * i exactly.

    Bilinear between the first and the last cell; the last is repeated beyond.
    """
    H, W = maps.shape[-2:]
    size = (times * (H - 1) + 1, times * (W - 1) + 1)
    inner = functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)
    return functional.pad(inner, (0, times - 1, 0, times - 1), mode="replicate")


def combined_heat(maps: HggMaps, fine_heat: Tensor | None) -> Tensor:
    """One set of joint maps and centre.

    HigherHRNet: the highest of the three coarse maps, doubled, averaged with the fine joint maps;
    the centre comes from the coarse ones alone.
    """
    coarse = torch.stack(maps.heat).amax(0)
    if fine_heat is None:
        return coarse
    doubled = upsampled(coarse, 2)
    joints = (doubled[:, :JOINTS] + fine_heat) / 2
    return torch.cat((joints, doubled[:, JOINTS:]), 1)


def plain_maps(network: nn.Module, pixels: Tensor) -> ScaleMaps:
    """Without the flip test; (B, 3, H, W) normalised."""
    maps: HggMaps = network(pixels)
    heat = combined_heat(maps, maps.fine_heat)
    return ScaleMaps(heat, _matched(absolute(maps.offset), heat))


def flip_maps(network: nn.Module, pixels: Tensor, edge: MirrorEdge = MirrorEdge.ZEROS) -> ScaleMaps:
    """With the flip test: maps and absolute poses are averaged; two runs, three with HigherHRNet.

    The coarse maps are turned back before they are doubled, so that both strides coincide (the
    released code doubles first, which puts them half a coarse cell aside).
    """
    maps: HggMaps = network(pixels)
    mirror: HggMaps = network(mirrored_picture(pixels, COARSE_SHIFT, edge))
    fine = None
    if maps.fine_heat is not None:
        again: HggMaps = network(mirrored_picture(pixels, FINE_SHIFT, edge))
        if again.fine_heat is not None:
            fine = unmirrored_heat(again.fine_heat)
    back = HggMaps(tuple(unmirrored_heat(each) for each in mirror.heat), mirror.offset)
    heat = (combined_heat(maps, maps.fine_heat) + combined_heat(back, fine)) / 2
    pose = (absolute(maps.offset) + unmirrored_pose(absolute(mirror.offset))) / 2
    return ScaleMaps(heat, _matched(pose, heat))


def _matched(pose: Tensor, heat: Tensor) -> Tensor:
    """Joints at every cell of `heat` and in its cells: nearest, times the ratio of the strides."""
    ratio = heat.shape[2] / pose.shape[2]
    return functional.interpolate(pose * ratio, size=heat.shape[2:], mode="nearest")


def fused_heat(scales: Sequence[ScaleMaps], size: tuple[int, int]) -> Tensor:
    """The mean of all sizes' maps at the full resolution (width, height) of scale 1: (B, 18, H, W).

    Every map is stretched as by `upsampled`, its own factor rounded down.
    """
    return torch.stack([_stretched(scale.heat, size) for scale in scales]).mean(0)


def _stretched(heat: Tensor, size: tuple[int, int]) -> Tensor:
    right, below = size[0] // heat.shape[3] - 1, size[1] // heat.shape[2] - 1
    inner = functional.interpolate(
        heat, size=(size[1] - below, size[0] - right), mode="bilinear", align_corners=True
    )
    return functional.pad(inner, (0, right, 0, below), mode="replicate")
