"""Maps to poses inside the graph: centre peaks, offsets, absorption into joint peaks, scores.

Follows HGG's decode (released code, `match` and `adjust`) with fixed shapes; what is done
otherwise: joint peaks are refined by a parabola instead of a Gaussian least-squares fit; a joint
moves to the peak with most heat times nearness, measured by the person's size, instead of the
nearest within 75 px (better by 2 to 4 AP on both validation sets); the network looks at the
canvas in several sizes instead of, in the multi-scale test, at scaled pictures; suppression of
doubles is a batched step after the graph, for the people of all sizes together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.bottom_up import JOINTS, STRIDE, BottomUpMaps, CompactBottomUp

CANDIDATES = 30
"""People per canvas, and joint peaks per joint, as in HGG."""
NEAR_FACTOR = 3
"""Of the canvas that is for near people only."""
NEAR_CANDIDATES = 15
"""People of that canvas: there are few."""
NEAR_PX = 64.0
"""Least extent of a near person's joints there, in pixels of the shrunk canvas."""
TRUNK_STRIDE = 32
"""Of the trunk's smallest maps."""
SUREST_JOINTS = 12
"""Of a person count in its score: who is half hidden is still a person. HGG's code takes the mean
of all joints times centre; the fourth root of centre times this mean's cube ranks better here."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """Chosen on validation data; part of the exported graph."""

    absorb_radius: float = 0.15
    """How far peaks attract: a Gaussian's sigma as a share of the person's larger box side."""
    absorb_min_cells: float = 2.0
    """But at least this many cells."""
    min_attraction: float = 0.03
    """A joint stays where its offset says if no peak's heat times Gaussian is above."""
    shrink: tuple[int, ...] = (1, 2, 3)
    """The network sees the canvas divided by each of these, so that near and far people all come
    in sizes that it knows; candidates are those of all."""


class PosesFromMaps(nn.Module):
    """`BottomUpMaps` to keypoints (B, M, 17, 3) in canvas pixels and scores (B, M), M people."""

    def __init__(self, settings: DecodeSettings) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, maps: BottomUpMaps, people: int = CANDIDATES) -> tuple[Tensor, Tensor]:
        """See the class; candidates come best centre first and may be doubles."""
        W = maps.heat.shape[-1]
        centre_value, cell = best_peaks(maps.centre, 3, people)  # (B, 1, M)
        regressed = _poses_at(maps, cell[:, 0], W)  # (B, M, 17, 2) cells
        own_heat = _sample(maps.heat, regressed)  # (B, M, 17)
        peak_value, peak_cell = best_peaks(maps.heat, 3)  # (B, 17, P)
        peak_xy = _refined(maps.heat, peak_cell, W)  # (B, 17, P, 2)
        joints, heat = self._absorb(regressed, own_heat, peak_xy, peak_value)
        confidence = heat.clamp(0, 1)
        surest = confidence.topk(SUREST_JOINTS, -1).values.mean(-1)
        scores = centre_value[:, 0].clamp(0, 1).sqrt() * surest * surest.sqrt()
        canvas = (joints + 0.5) * STRIDE - 0.5
        return torch.cat((canvas, confidence[..., None]), -1), scores.sqrt()

    def _absorb(
        self, regressed: Tensor, own_heat: Tensor, peak_xy: Tensor, peak_value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each joint takes the peak that attracts most, heat times nearness, or stays.

        Args:
            regressed: (B, M, 17, 2) cells.
            own_heat: (B, M, 17) heat where the joints lie.
            peak_xy: (B, 17, P, 2) cells.
            peak_value: (B, 17, P).
        """
        size = (regressed.amax(2) - regressed.amin(2)).amax(-1)  # (B, M)
        radius = (size * self.settings.absorb_radius).clamp(min=self.settings.absorb_min_cells)
        apart = regressed[:, :, :, None] - peak_xy[:, None]  # (B, M, 17, P, 2)
        distance = (apart * apart).sum(-1) / (radius * radius)[..., None, None]
        attraction = peak_value.clamp(min=0)[:, None] * torch.exp(-0.5 * distance)
        strongest, index = attraction.max(-1)  # (B, M, 17)
        taken = (strongest > self.settings.min_attraction).to(distance.dtype)
        M = regressed.shape[1]
        xy = _take(peak_xy.transpose(2, 3).flatten(1, 2), index, M)
        value = _take_values(peak_value, index)
        joints = regressed + taken[..., None] * (xy - regressed)
        return joints, own_heat + taken * (value - own_heat)


class BottomUpGraph(nn.Module):
    """The exported model: canvas uint8 (B, H, W, 3) RGB in, keypoints and scores out.

    Sides of the canvas are multiples of 32.
    """

    def __init__(self, network: CompactBottomUp, settings: DecodeSettings) -> None:
        super().__init__()
        self.network, self.poses = network, PosesFromMaps(settings)

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, M, 17, 3) canvas px and confidence; scores (B, M); M: `candidates_at`."""
        pixels = canvas.float().permute(0, 3, 1, 2) / 127.5 - 1.0  # cast first: TensorRT's parser
        found = [self._at(pixels, factor) for factor in self.poses.settings.shrink]
        if len(found) == 1:  # joining one would leave outputs whose names OpenVINO does not keep
            return found[0]
        return torch.cat([keypoints for keypoints, _ in found], 1), torch.cat(
            [scores for _, scores in found], 1
        )

    def _at(self, pixels: Tensor, factor: int) -> tuple[Tensor, Tensor]:
        """People of the canvas shrunk by `factor`, in pixels of the canvas."""
        if factor == 1:
            keypoints, scores = self.poses(self.network(pixels))
            return keypoints, scores
        small = filled_up(shrunk(pixels, factor))
        keypoints, scores = self.poses(self.network(small), candidates_at(factor))
        if factor >= NEAR_FACTOR:
            scores = scores * is_near(keypoints)
        canvas = (keypoints[..., :2] + 0.5) * factor - 0.5
        return torch.cat((canvas, keypoints[..., 2:]), -1), scores


def candidates_at(factor: int) -> int:
    """How many people come of the canvas shrunk by so much."""
    return CANDIDATES if factor < NEAR_FACTOR else NEAR_CANDIDATES


def is_near(keypoints: Tensor) -> Tensor:
    """(B, M) 1 for poses (B, M, 17, 3) that are large enough, else 0.

    The small ones larger canvases show better, and what is small in the smallest is mostly clutter.
    """
    points = keypoints[..., :2]
    size = (points.amax(2) - points.amin(2)).amax(-1)
    return (size >= NEAR_PX).to(keypoints.dtype)


def shrunk(pixels: Tensor, factor: int) -> Tensor:
    """(B, 3, H, W) with blocks of `factor` x `factor` pixels averaged.

    By a convolution: OpenVINO (2026.4) moves three channels to blocks of sixteen before it pools.
    """
    ones = torch.ones(3, 1, factor, factor, dtype=pixels.dtype, device=pixels.device)
    return functional.conv2d(pixels, ones, stride=factor, groups=3) / factor**2


def filled_up(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) with grey on the right and below, until the sides are multiples of 32."""
    right, below = (-side % TRUNK_STRIDE for side in (pixels.shape[3], pixels.shape[2]))
    return functional.pad(pixels, (0, right, 0, below))


def best_peaks(maps: Tensor, window: int, count: int = CANDIDATES) -> tuple[Tensor, Tensor]:
    """The highest local maxima of each map: values and cells, each (B, C, count)."""
    highest = functional.max_pool2d(maps, window, 1, window // 2)
    kept = torch.where(highest == maps, maps, torch.full_like(maps, -1.0))
    values, cells = kept.flatten(2).topk(count, -1)
    return values, cells


def _poses_at(maps: BottomUpMaps, cell: Tensor, W: int) -> Tensor:
    """Absolute joints (B, M, 17, 2) in cells, of centres at cells (B, M): cell minus offset."""
    M = cell.shape[1]
    offset = offsets_at(maps, cell).transpose(1, 2)  # (B, M, 34)
    at = torch.stack(_column_row(cell, W), -1)  # (B, M, 2)
    return at.to(offset.dtype)[:, :, None] - offset.reshape(-1, M, JOINTS, 2)


def offsets_at(maps: BottomUpMaps, cell: Tensor) -> Tensor:
    """(B, 34, M) of cells (B, M)."""
    if maps.offset_at is not None:
        return maps.offset_at(cell)
    index = cell[:, None].expand(-1, 2 * JOINTS, -1)
    return maps.offset.flatten(2).gather(2, index)


def _column_row(cell: Tensor, W: int) -> tuple[Tensor, Tensor]:
    x = cell % W
    return x, torch.div(cell - x, W, rounding_mode="trunc")


def _sample(heat: Tensor, joints: Tensor) -> Tensor:
    """Bilinear heat (B, M, 17) of each joint's own map at (B, M, 17, 2) cells; 0 outside."""
    B, K, H, W = heat.shape
    M = joints.shape[1]
    # Scalars, not a tensor of two: a traced export must not bake in the sides of its example.
    x, y = joints[..., 0] * (2.0 / (W - 1)) - 1, joints[..., 1] * (2.0 / (H - 1)) - 1
    grid = torch.stack((x, y), -1).permute(0, 2, 1, 3).reshape(B * K, M, 1, 2)
    values = functional.grid_sample(
        heat.reshape(B * K, 1, H, W), grid, "bilinear", "zeros", align_corners=True
    )
    return values.reshape(B, K, M).transpose(1, 2)


def _refined(heat: Tensor, cell: Tensor, W: int) -> Tensor:
    """Peak cells (B, 17, P) to sub-cell positions (B, 17, P, 2): a parabola through three cells."""
    padded = functional.pad(heat, (1, 1, 1, 1), mode="replicate").flatten(2)
    x, y = _column_row(cell, W)
    middle = (y + 1) * (W + 2) + x + 1
    here = padded.gather(2, middle)
    dx = _vertex(padded.gather(2, middle - 1), here, padded.gather(2, middle + 1))
    row = W + 2
    dy = _vertex(padded.gather(2, middle - row), here, padded.gather(2, middle + row))
    return torch.stack((x.to(heat.dtype) + dx, y.to(heat.dtype) + dy), -1)


def _vertex(before: Tensor, here: Tensor, after: Tensor) -> Tensor:
    """Where the parabola through three equally spaced values peaks, in [-0.5, 0.5]."""
    bend = (2 * here - before - after).clamp(min=1e-4)
    return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)


def _take(flat_xy: Tensor, index: Tensor, M: int) -> Tensor:
    """(B, 17 * 2, P) and (B, M, 17) to (B, M, 17, 2)."""
    pairs = index.transpose(1, 2)[:, :, None].expand(-1, -1, 2, -1).flatten(1, 2)  # (B, 34, M)
    return flat_xy.gather(2, pairs).transpose(1, 2).reshape(-1, M, JOINTS, 2)


def _take_values(values: Tensor, index: Tensor) -> Tensor:
    """(B, 17, P) and (B, M, 17) to (B, M, 17)."""
    return values.gather(2, index.transpose(1, 2)).transpose(1, 2)
