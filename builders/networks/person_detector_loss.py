"""Losses of the person detector: quality focal loss and generalised IoU.

Sources: Li et al., "Generalized Focal Loss" (NeurIPS 2020), equation 5; Rezatofighi et al.,
"Generalized Intersection over Union" (CVPR 2019), algorithm 1. Cells are assigned as in FCOS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.centre_sampling import Locations, flat, locations, suiting
from builders.networks.person_detector import DetectorMaps, boxes_at

FOCUS = 2.0
BOX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class DetectorTargets:
    """What the P locations of one picture learn."""

    positive: Tensor
    """(P,) bool."""
    boxes: Tensor
    """(P, 4) the box that the location answers for; anything where not positive."""


def detector_targets(where: Locations, boxes: Tensor) -> DetectorTargets:
    """Targets of one picture.

    Args:
        where: its locations.
        boxes: (G, 4) left, top, right, bottom edges in pixels.
    """
    if not len(boxes):
        nothing = torch.zeros_like(where.strides)
        return DetectorTargets(nothing > 0, torch.zeros_like(where.points).repeat(1, 2))
    positive, owner = suiting(where, boxes, border=0)
    return DetectorTargets(positive, boxes[owner])


def detector_loss(
    maps: DetectorMaps, boxes: Sequence[Tensor], certainty: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Both losses, weighted; their sum is trained.

    Args:
        maps: of a batch of B pictures.
        boxes: per picture (G, 4) left, top, right, bottom edges in pixels.
        certainty: per level (B, H, W), how surely a cell without a person is background, 0 to 1;
            0 inside crowds.
    """
    edges, logits = flat(maps.edges), flat(maps.person)[..., 0]
    where = locations([(level.shape[-2], level.shape[-1]) for level in maps.person], edges)
    targets = [detector_targets(where, each.to(edges)) for each in boxes]
    positive = torch.stack([each.positive for each in targets])  # (B, P)
    wanted = torch.stack([each.boxes for each in targets])[positive]
    found = boxes_at(where.points, edges * where.strides[:, None])[positive]
    overlap, generalised = overlaps(found, wanted)
    quality = torch.zeros_like(logits)
    quality[positive] = overlap.detach().to(quality.dtype)
    sure = torch.cat([level.flatten(1) for level in certainty], 1).to(logits)
    weight = torch.where(positive, torch.ones_like(sure), sure)
    count = positive.sum().clamp(min=1)
    return {
        "person": (quality_focal(logits, quality) * weight).sum() / count,
        "box": BOX_WEIGHT * (1 - generalised).sum() / count,
    }


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Quality focal loss of each logit.

    Args:
        logits: any shape.
        quality: wanted probabilities, the same shape.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (logits.sigmoid() - quality).abs() ** FOCUS * entropy


def overlaps(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of pairs of boxes, (P,) each.

    Args:
        found: (P, 4) left, top, right, bottom; sides above 0.
        wanted: likewise.
    """
    shared = _area(
        torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
    )
    around = _area(
        torch.minimum(found[:, :2], wanted[:, :2]), torch.maximum(found[:, 2:], wanted[:, 2:])
    )
    union = _area(found[:, :2], found[:, 2:]) + _area(wanted[:, :2], wanted[:, 2:]) - shared
    overlap = shared / union
    return overlap, overlap - (around - union) / around


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(-1)
