"""SMPR's losses; source: its released code (`loss`, `KptL1Loss`), mmdetection's focal loss."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from builders.networks.centre_sampling import flat, locations
from builders.networks.smpr import JOINTS, SmprMaps
from builders.networks.smpr_assignment import (
    SmprTargets,
    assign,
    heat_labels,
)
from stream.errors import PoseError

FOCUS, BALANCE = 2.0, 0.25
HEAT_WEIGHT, INITIAL_WEIGHT, REFINED_WEIGHT = 4.0, 0.05, 0.1


def focal_sum(logits: Tensor, truth: Tensor) -> Tensor:
    """Sigmoid focal loss (Lin et al., ICCV 2017), gamma 2, alpha 0.25, summed.

    Args:
        logits: any shape.
        truth: 0 or 1, the same shape.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    chance = logits.sigmoid()
    wrong = chance * (1 - truth) + (1 - chance) * truth
    balance = BALANCE * truth + (1 - BALANCE) * (1 - truth)
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
    maps: SmprMaps, joints: Sequence[Tensor], areas: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The five losses, weighted; their sum is trained.

    Args:
        maps: of a batch, in training mode.
        joints: per picture (G, 17, 3), pixels of the network's input.
        areas: per picture (G,), segment areas in those pixels squared.

    Raises:
        PoseError: if the maps were made in evaluation mode (they lack the joint map).
    """
    if maps.joint_heat is None:
        raise PoseError("SMPR's loss needs the joint map: put the network to training mode first")
    targets = targets_of(maps, joints, areas)
    initial, refined = flat(maps.initial), flat(maps.refined)
    person, similarity = flat(maps.person)[..., 0], flat(maps.similarity)[..., 0]
    everything = _stacked(targets)
    pictures = len(joints)
    positive = everything.refined.to(person.dtype)
    return {
        "person": focal_sum(person.flatten(), positive) / (positive.sum() + pictures),
        "heat": HEAT_WEIGHT * heat_loss(maps.joint_heat, joints),
        "initial": INITIAL_WEIGHT
        * weighted_l1(initial.flatten(0, 1), everything, everything.initial),
        "refined": REFINED_WEIGHT
        * weighted_l1(refined.flatten(0, 1), everything, everything.refined),
        "similarity": similarity_loss(similarity.flatten(), everything),
    }


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


def heat_loss(joint_heat: Tensor, joints: Sequence[Tensor]) -> Tensor:
    """Focal loss of the stride-8 joint map, over the number of labelled cells and pictures."""
    H, W = joint_heat.shape[-2:]
    labels = torch.stack([heat_labels(people, H, W) for people in joints])  # (B, H, W)
    truth = functional.one_hot(labels, JOINTS + 1)[..., 1:].permute(0, 3, 1, 2)
    return focal_sum(joint_heat, truth.to(joint_heat.dtype)) / ((labels > 0).sum() + len(joints))


def similarity_loss(logits: Tensor, targets: SmprTargets) -> Tensor:
    """Cross entropy to the first guess's OKS, mean over positives; the first guess's if none is."""
    chosen = targets.refined if bool(targets.refined.any()) else targets.initial
    if not bool(chosen.any()):
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[chosen], targets.similarity[chosen])


def _stacked(targets: Sequence[SmprTargets]) -> SmprTargets:
    return SmprTargets(
        torch.cat([each.initial for each in targets]),
        torch.cat([each.refined for each in targets]),
        torch.cat([each.similarity for each in targets]),
        torch.cat([each.offset for each in targets]),
        torch.cat([each.visible for each in targets]),
    )
