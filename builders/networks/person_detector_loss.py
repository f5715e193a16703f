"""Losses of the person detector: task-aligned assignment, quality focal loss, generalised IoU.

Sources: Feng et al., "TOOD" (ICCV 2021), section 3.2, for which cells answer for a person: those
that already score and fit it best, so that learnt weights keep their habits (YOLOX's own SimOTA
works alike); Li et al., "Generalized Focal Loss" (NeurIPS 2020), equation 5; Rezatofighi et al.,
"Generalized Intersection over Union" (CVPR 2019), algorithm 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.centre_sampling import Locations, flat, locations
from builders.networks.person_detector import DetectorMaps, boxes_at

FOCUS = 2.0
BOX_WEIGHT = 2.0
CELLS = 10
"""Of each person, at most (TOOD's 13 are of more levels)."""
FIT = 6.0
"""Power of the overlap in the alignment; that of the score is 1."""
REACH = 1.5
"""Strides: cells that near to a box's middle may answer for it even from outside, as in YOLOX."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorTargets:
    """What the P locations of one picture learn."""

    quality: Tensor
    """(P,) wanted score, 0 where no person is answered for."""
    owner: Tensor
    """(P,) index of the box that the location answers for; anything where quality is 0."""


def detector_targets(
    where: Locations, boxes: Tensor, found: Tensor, scores: Tensor
) -> DetectorTargets:
    """Targets of one picture.

    Args:
        where: its locations.
        boxes: (G, 4) left, top, right, bottom edges in pixels.
        found: (P, 4) predicted, likewise.
        scores: (P,) predicted.
    """
    if not len(boxes):
        return DetectorTargets(torch.zeros_like(scores), scores.long() * 0)
    overlap = pairwise_iou(found, boxes)  # (P, G)
    alignment = scores[:, None] * overlap**FIT * may_answer(where, boxes)
    chosen = torch.zeros_like(alignment)
    best = alignment.topk(min(CELLS, len(alignment)), 0).indices
    chosen.scatter_(0, best, 1.0)
    alignment = alignment * chosen
    most, owner = (overlap * (alignment > 0)).max(1)  # a cell between people takes the better fit
    own = functional.one_hot(owner, len(boxes)) * (most > 0)[:, None]
    alignment = alignment * own
    # The best cell of each person shall score its overlap, the others less in proportion.
    scale = (overlap * (alignment > 0)).amax(0) / alignment.amax(0).clamp(min=1e-12)
    return DetectorTargets((alignment * scale).sum(1), owner)


def may_answer(where: Locations, boxes: Tensor) -> Tensor:
    """(P, G) whether a location lies in a box or near its middle."""
    x, y = where.points[:, :1], where.points[:, 1:]
    left, top, right, bottom = boxes.t()[:, None]
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    reach = where.strides[:, None] * REACH
    near = ((x - (left + right) / 2).abs() < reach) & ((y - (top + bottom) / 2).abs() < reach)
    allowed: Tensor = near | inside
    return allowed


@dataclass(frozen=True, slots=True, eq=False)
class DetectorLabels:
    """Of a batch of B pictures."""

    boxes: Sequence[Tensor]
    """Per picture (G, 4) left, top, right, bottom edges in pixels."""
    certainty: Sequence[Tensor]
    """Per level (B, H, W): how surely a cell without a person is background; 0 inside crowds."""
    believed: Tensor | None = None
    """(B, P) scores of a teacher, which cells learn as far as they are not surely background."""


def detector_loss(maps: DetectorMaps, labels: DetectorLabels) -> dict[str, Tensor]:
    """Both losses, weighted; their sum is trained."""
    edges, logits = flat(maps.edges), flat(maps.person)
    where = locations([(level.shape[-2], level.shape[-1]) for level in maps.person], edges)
    found = boxes_at(where.points, edges * where.strides[:, None])  # (B, P, 4)
    scores = logits.sigmoid().prod(-1)
    with torch.no_grad():
        targets = [
            detector_targets(where, each.to(edges), found[index], scores[index])
            for index, each in enumerate(labels.boxes)
        ]
    quality = torch.stack([each.quality for each in targets])
    sure = torch.cat([level.flatten(1) for level in labels.certainty], 1).to(logits)
    weight = torch.where(quality > 0, torch.ones_like(sure), sure)
    person = quality_focal(logits, quality) * weight
    if labels.believed is not None:
        person = person + quality_focal(logits, labels.believed) * (1 - weight)
    total = quality.sum().clamp(min=1)
    return {
        "person": person.sum() / total,
        "box": BOX_WEIGHT * _box_loss(found, labels.boxes, targets) / total,
    }


def _box_loss(found: Tensor, boxes: Sequence[Tensor], targets: Sequence[DetectorTargets]) -> Tensor:
    """The sum over answering cells, weighted by their wanted scores."""
    total = found.sum() * 0
    for each, wanted, target in zip(found, boxes, targets, strict=True):
        cells = target.quality > 0
        if cells.any():
            _, generalised = overlaps(each[cells], wanted.to(each)[target.owner[cells]])
            total = total + ((1 - generalised) * target.quality[cells]).sum()
    return total


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Quality focal loss of each score.

    Args:
        logits: (..., 2), whose chances multiplied are the score.
        quality: (...) wanted scores.
    """
    thing, person = logits.unbind(-1)
    score = thing.sigmoid() * person.sigmoid()
    yes = functional.logsigmoid(thing) + functional.logsigmoid(person)
    no = ((-thing).sigmoid() + thing.sigmoid() * (-person).sigmoid()).clamp(min=1e-9).log()
    return (score - quality).abs() ** FOCUS * -(quality * yes + (1 - quality) * no)


def pairwise_iou(found: Tensor, wanted: Tensor) -> Tensor:
    """(P, 4) and (G, 4) left, top, right, bottom to (P, G)."""
    overlap, _ = overlaps(found[:, None], wanted[None])
    return overlap


def overlaps(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of pairs of boxes; the leading dimensions are broadcast.

    Args:
        found: (..., 4) left, top, right, bottom; sides above 0.
        wanted: likewise.
    """
    low = torch.maximum(found[..., :2], wanted[..., :2])
    shared = _area(low, torch.minimum(found[..., 2:], wanted[..., 2:]))
    low = torch.minimum(found[..., :2], wanted[..., :2])
    around = _area(low, torch.maximum(found[..., 2:], wanted[..., 2:]))
    own, other = (_area(box[..., :2], box[..., 2:]) for box in (found, wanted))
    union = own + other - shared
    overlap = shared / union
    return overlap, overlap - (around - union) / around


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(-1)
