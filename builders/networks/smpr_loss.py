"""SMPR's losses; source: its released code (`loss`, `KptL1Loss`), mmdetection's focal loss."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.centre_sampling import flat, locations
from builders.networks.joint_similarity import joint_similarity
from builders.networks.smpr import JOINTS, SmprMaps
from builders.networks.smpr_assignment import (
    SmprTargets,
    assign,
    heat_labels,
)
from stream.errors import PoseError

FOCUS, BALANCE = 2.0, 0.25
HEAT_WEIGHT, INITIAL_WEIGHT, REFINED_WEIGHT = 4.0, 0.05, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SmprCertainty:
    """How surely what nobody labelled is background, 0 to 1; the paper's data is sure throughout.

    What is labelled counts fully.
    """

    person: tuple[Tensor, ...]
    """(B, H, W) of each level."""
    heat: Tensor
    """(B, 17, H, W) of the stride-8 joint map."""


def focal_sum(logits: Tensor, truth: Tensor, certainty: Tensor | None = None) -> Tensor:
    """Sigmoid focal loss (Lin et al., ICCV 2017), gamma 2, alpha 0.25, summed.

    Args:
        logits: any shape.
        truth: 0 or 1, the same shape.
        certainty: weight where truth is 0, the same shape; none for 1.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    chance = logits.sigmoid()
    wrong = chance * (1 - truth) + (1 - chance) * truth
    balance = BALANCE * truth + (1 - BALANCE) * (1 - truth)
    if certainty is not None:
        balance = balance * torch.where(truth > 0, torch.ones_like(certainty), certainty)
    return (balance * wrong**FOCUS * entropy).sum()


def weighted_l1(predicted: Tensor, targets: SmprTargets, chosen: Tensor) -> Tensor:
    """L1 in strides summed over visible entries, weighted by each location's OKS, over their sum.

    Args:
        predicted: (P, 34).
        targets: of the same locations.
        chosen: (P,) which of them learn.
    """
    error = ((predicted - targets.offset).abs() * targets.visible).sum(1)
    weight = targets.similarity * chosen.to(error.dtype)
    return (error * weight).sum() / weight.sum().clamp(min=1e-12)


def smpr_loss(
    maps: SmprMaps,
    joints: Sequence[Tensor],
    areas: Sequence[Tensor],
    certainty: SmprCertainty | None = None,
) -> dict[str, Tensor]:
    """The five losses, weighted, and that of the joints' confidence if there is one.

    Their sum is trained.

    Args:
        maps: of a batch, in training mode.
        joints: per picture (G, 17, 3), pixels of the network's input; labels as in `assign`.
        areas: per picture (G,), segment areas in those pixels squared.
        certainty: none for 1 throughout.

    Raises:
        PoseError: if the maps were made in evaluation mode (they lack the joint map).
    """
    if maps.joint_heat is None:
        raise PoseError("SMPR's loss needs the joint map: put the network to training mode first")
    targets = _stacked(targets_of(maps, joints, areas))
    initial, refined = flat(maps.initial).flatten(0, 1), flat(maps.refined).flatten(0, 1)
    losses = {
        "person": person_loss(maps, targets, certainty),
        "heat": HEAT_WEIGHT * heat_loss(maps.joint_heat, joints, certainty),
        "initial": INITIAL_WEIGHT * weighted_l1(initial, targets, targets.initial),
        "refined": REFINED_WEIGHT * weighted_l1(refined, targets, targets.refined),
        "similarity": similarity_loss(flat(maps.similarity).flatten(), targets),
    }
    if maps.joint_similarity is not None:
        logits = flat(maps.joint_similarity).flatten(0, 1)
        losses["joints"] = joint_similarity_loss(logits, refined, targets, strides_of(maps))
    return losses


def person_loss(
    maps: SmprMaps, targets: SmprTargets, certainty: SmprCertainty | None = None
) -> Tensor:
    """Focal loss of the person score over the number of positives and pictures."""
    logits = flat(maps.person).flatten()
    positive = targets.refined.to(logits.dtype)
    sure = None
    if certainty is not None:
        sure = torch.cat([level.flatten(1) for level in certainty.person], 1).flatten()
    return focal_sum(logits, positive, sure) / (positive.sum() + len(maps.person[0]))


def strides_of(maps: SmprMaps) -> Tensor:
    """(B * P,) the stride of every location of a batch."""
    sizes = [(level.shape[-2], level.shape[-1]) for level in maps.person]
    return locations(sizes, maps.person[0]).strides.repeat(len(maps.person[0]))


def joint_similarity_loss(
    logits: Tensor, refined: Tensor, targets: SmprTargets, strides: Tensor
) -> Tensor:
    """Cross entropy to each refined joint's own term of the OKS, 0 for joints not to be seen.

    Mean over known and surely absent joints of the locations that learn a refined pose.

    Args:
        logits: (P, 17).
        refined: (P, 34) in strides; gets no gradient.
        targets: of the same locations.
        strides: (P,).
    """
    error = (refined.detach() - targets.offset).reshape(-1, JOINTS, 2) * strides[:, None, None]
    similar = joint_similarity(error, targets.area) * (targets.labels > 0)
    weight = targets.labels.abs().clamp(max=1) * targets.refined[:, None]
    entropy = functional.binary_cross_entropy_with_logits(logits, similar, reduction="none")
    return (entropy * weight).sum() / weight.sum().clamp(min=1e-12)


def targets_of(
    maps: SmprMaps, joints: Sequence[Tensor], areas: Sequence[Tensor]
) -> list[SmprTargets]:
    """Targets of each picture of a batch, from its first guesses."""
    sizes = [(level.shape[-2], level.shape[-1]) for level in maps.person]
    guess = flat(maps.initial).detach()
    where = locations(sizes, guess)
    poses = guess * where.strides[:, None] + where.points.repeat(1, JOINTS)
    poses = poses.reshape(poses.shape[0], -1, JOINTS, 2)
    people = zip(joints, areas, poses, strict=True)
    return [assign(where, points, area, pose) for points, area, pose in people]


def heat_loss(
    joint_heat: Tensor, joints: Sequence[Tensor], certainty: SmprCertainty | None = None
) -> Tensor:
    """Focal loss of the stride-8 joint map, over the number of labelled cells and pictures."""
    H, W = joint_heat.shape[-2:]
    labels = torch.stack([heat_labels(people, H, W) for people in joints])  # (B, H, W)
    truth = functional.one_hot(labels, JOINTS + 1)[..., 1:].permute(0, 3, 1, 2)
    wrong = focal_sum(joint_heat, truth.to(joint_heat.dtype), certainty.heat if certainty else None)
    return wrong / ((labels > 0).sum() + len(joints))


def similarity_loss(logits: Tensor, targets: SmprTargets) -> Tensor:
    """Cross entropy to the first guess's OKS, mean over positives; the first guess's if none is."""
    chosen = targets.refined if bool(targets.refined.any()) else targets.initial
    if not bool(chosen.any()):
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[chosen], targets.similarity[chosen])


def _stacked(targets: Sequence[SmprTargets]) -> SmprTargets:
    return SmprTargets(
        *(
            torch.cat([getattr(each, field.name) for each in targets])
            for field in fields(SmprTargets)
        )
    )
