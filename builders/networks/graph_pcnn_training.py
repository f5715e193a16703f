"""Graph-PCNN's guided points in training, and its losses; all in heatmap cells."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from builders.networks.graph_pcnn import (
    GuidedPoints,
    Refinement,
    is_reliable,
    peak_points,
    sample_own,
)
from builders.networks.heatmap_decode import PeakFinder
from builders.networks.joint_similarity import joint_similarity

POSITIVE_SIGMAS = 3.0
RELIABLE_SIGMAS = 2.0
OFFSET_WEIGHT = 16.0
CELLS_PER_POINT = 16
TRIES = 32
NEAR_CELLS = 3.0
"""Of the joint: as far away as that, a peak's distance itself is learnt, too (ours)."""
NEAR_WEIGHT = 0.02
"""Of that distance, in cells, beside what lacks of the similarity."""
MOVED_SHARE = 0.5
MOVED_CELLS = 0.4
"""Deviation along each axis of the peaks that are moved in training."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Where the joints are."""

    xy: Tensor
    """(B, 17, 2) cells."""
    weight: Tensor
    """(B, 17) 1 for known joints, else 0."""
    sigma: float
    """Of the first stage's targets, in cells (open in the paper; ours)."""


def moved_peaks(heat: Tensor, find_peaks: PeakFinder, random: Generator) -> GuidedPoints:
    """The points that the second stage begins at in tests, half of them a little beside (ours).

    Args:
        heat: (B, 17, H, W) of the first stage.
        find_peaks: its reading.
        random: on the device of `heat`.

    Returns:
        One point per joint, reliable as in tests.
    """
    points, _ = peak_points(heat.detach(), find_peaks)
    moved = _uniform(tuple(points.xy.shape[:3]), points.xy, random) < MOVED_SHARE
    step = torch.randn(points.xy.shape, generator=random, device=points.xy.device)
    xy = points.xy + MOVED_CELLS * step.to(points.xy.dtype) * moved[..., None]
    own = sample_own(heat.detach(), xy)
    return GuidedPoints(xy, own, is_reliable(own))


def point_count(heat: Tensor) -> int:
    """N = H W / 16: 48, 192, 432 for crops of 128x96, 256x192, 384x288."""
    return heat.shape[-1] * heat.shape[-2] // CELLS_PER_POINT


def guided_points(
    heat: Tensor, truth: Truth, random: Generator, count: int | None = None
) -> GuidedPoints:
    """N points per joint: a third near the truth, a third far, a third of the hottest cells.

    The points of every joint are shuffled, so that graphs mix good and bad ones. A point is
    reliable within 2 sigma of the truth; joints without a label never are.

    Args:
        heat: (B, 17, H, W) of the first stage.
        truth: of the same crops.
        random: on the device of `heat`.
        count: N; the paper's for the size of the maps by default.
    """
    heat = heat.detach()
    count = count or point_count(heat)
    third = count // 3
    parts = (
        near_points(truth, third, random),
        far_points(truth, (heat.shape[-1], heat.shape[-2]), third, random),
        hot_points(heat, count, count - 2 * third, random),
    )
    xy = _shuffled(torch.cat(parts, 1), random)
    distance = (xy - truth.xy[:, None]).square().sum(-1).sqrt()
    reliable = (distance < RELIABLE_SIGMAS * truth.sigma).to(heat.dtype) * truth.weight[:, None]
    return GuidedPoints(xy, sample_own(heat, xy), reliable)


def near_points(truth: Truth, count: int, random: Generator) -> Tensor:
    """(B, count, 17, 2) uniform in the disc of 3 sigma about the truth."""
    B, K = truth.xy.shape[:2]
    radius = POSITIVE_SIGMAS * truth.sigma * _uniform((B, count, K), truth.xy, random).sqrt()
    angle = 2 * torch.pi * _uniform((B, count, K), truth.xy, random)
    return truth.xy[:, None] + radius[..., None] * torch.stack((angle.cos(), angle.sin()), -1)


def far_points(truth: Truth, size: tuple[int, int], count: int, random: Generator) -> Tensor:
    """(B, count, 17, 2) uniform on the map of (width, height) outside that disc.

    The farthest of 32 draws stands in where all of them fall into the disc (tiny maps).
    """
    B, K = truth.xy.shape[:2]
    extent = torch.tensor(size, dtype=truth.xy.dtype, device=truth.xy.device) - 1
    drawn = _uniform((B, count, K, TRIES, 2), truth.xy, random) * extent
    distance = (drawn - truth.xy[:, None, :, None]).square().sum(-1).sqrt()
    outside = distance > POSITIVE_SIGMAS * truth.sigma
    first = outside.to(torch.uint8).argmax(-1)
    chosen = torch.where(outside.any(-1), first, distance.argmax(-1))
    return drawn.gather(3, chosen[..., None, None].expand(-1, -1, -1, 1, 2))[:, :, :, 0]


def hot_points(heat: Tensor, among: int, count: int, random: Generator) -> Tensor:
    """(B, count, 17, 2): cells drawn without return from the `among` hottest of each map."""
    B, K, _, W = heat.shape
    hottest = heat.flatten(2).topk(among, -1).indices
    order = _uniform((B, K, among), heat, random).argsort(-1)[..., :count]
    cell = hottest.gather(2, order)
    xy = torch.stack((cell % W, torch.div(cell, W, rounding_mode="floor")), -1)
    return xy.transpose(1, 2).to(heat.dtype)


def _shuffled(xy: Tensor, random: Generator) -> Tensor:
    """Each joint's points (B, N, K, 2) in an order of its own."""
    order = _uniform(tuple(xy.shape[:3]), xy, random).argsort(1)
    return xy.gather(1, order[..., None].expand_as(xy))


def _uniform(shape: tuple[int, ...], like: Tensor, random: Generator) -> Tensor:
    return torch.rand(shape, generator=random, dtype=like.dtype, device=like.device)


def refinement_loss(found: Refinement, points: GuidedPoints, truth: Truth) -> Tensor:
    """Weighted mean over joints of classification plus 16 times offset loss.

    Args:
        found: of the second stage.
        points: where it looked.
        truth: of the same crops.
    """
    away = truth.xy[:, None] - points.xy  # (B, N, K, 2)
    distance2 = away.square().sum(-1)
    positive = (distance2 <= (POSITIVE_SIGMAS * truth.sigma) ** 2).to(away.dtype)
    each = _classification(found.logits, positive, distance2, truth.sigma)
    error = (found.offset - away).abs().sum(-1)
    each = each + OFFSET_WEIGHT * _mean(error, positive)  # (B, K)
    return (each * truth.weight).sum() / truth.weight.sum().clamp(min=1)


def lacking_loss(found: Refinement, points: GuidedPoints, truth: Truth, area: Tensor) -> Tensor:
    """What the refined points lack of COCO's object keypoint similarity (ours).

    Points near their joint learn a little of the distance besides, which far ones, where the
    similarity is flat, would drown.

    Args:
        found: of the second stage.
        points: where it looked.
        truth: of the same crops; its sigma plays no part.
        area: (B,) of the people, in cells squared: s^2 of the similarity.
    """
    away = truth.xy[:, None] - points.xy  # (B, N, K, 2)
    left = found.offset - away
    near = (away.square().sum(-1) <= NEAR_CELLS**2).to(left.dtype)
    distance = NEAR_WEIGHT * near * left.abs().sum(-1)
    each = (1 - joint_similarity(left, area) + distance).mean(1)  # (B, K)
    return (each * truth.weight).sum() / truth.weight.sum().clamp(min=1)


def _classification(logits: Tensor, positive: Tensor, distance2: Tensor, sigma: float) -> Tensor:
    """(B, K): half of the means over positives, near ones counting more, and over negatives."""
    logs = functional.log_softmax(logits, -1)
    alpha = (-distance2 / (2 * sigma**2)).exp()
    return 0.5 * (_mean(-logs[..., 1] * alpha, positive) + _mean(-logs[..., 0], 1 - positive))


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """(B, N, K) to the mean over the chosen of N, 0 where none is."""
    return (values * chosen).sum(1) / chosen.sum(1).clamp(min=1)
