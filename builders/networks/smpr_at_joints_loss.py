"""What cells and second looks of `SmprAtJoints` learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from builders.networks.centre_sampling import Locations, best_cells, locations, suiting
from builders.networks.compact_pyramid import STRIDES
from builders.networks.smpr_assignment import boxes_of, similarities
from builders.networks.smpr_at_joints import CellMaps, JudgedPoses, SmprAtJoints
from builders.networks.smpr_loss import focal_sum
from builders.networks.smpr_second_look import STRIDE
from stream.skeleton import COCO_17

LOOKED_AT = 24
"""Cells of a view that learn to look again: so many best ones, and as many of people's middles."""
ALIKE = 0.1
"""A best cell learns from the person whom its first guess resembles at least so much."""
KEPT_WEIGHT = 0.25
"""Of staying with the first guess where nobody knows who is there."""
POSE_WEIGHT, LOOK_WEIGHT, JUDGE_WEIGHT = 0.5, 1.0, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Of a batch."""

    joints: Sequence[Tensor]
    """Per view (G, 17, 3) canvas px; labels as in `smpr_assignment.assign`."""
    areas: Sequence[Tensor]
    """Per view (G,) px squared."""
    certainty: Tensor
    """(B, P) how surely a cell without a label is background."""


@dataclass(frozen=True, slots=True, eq=False)
class CellTargets:
    """Of one view."""

    positive: Tensor
    """(P,) whether a cell lies in a person's middle, and the person suits its level."""
    owner: Tensor
    """(P,) which person; any where not positive."""


@dataclass(frozen=True, slots=True, eq=False)
class LookTargets:
    """Of M cells of one view."""

    joints: Tensor
    """(M, 17, 3) of the person each cell learns from, px from the middle."""
    areas: Tensor
    """(M,)."""
    learns: Tensor
    """(M,) 1 if it learns joints, else 0."""


def smpr_at_joints_loss(
    network: SmprAtJoints, maps: CellMaps, known: Known, random: Generator
) -> dict[str, Tensor]:
    """The losses, weighted; their sum is trained.

    Args:
        network: whose second look is run.
        maps: its cells.
        known: labels.
        random: chooses cells of people's middles.
    """
    H, W = maps.fine.heat.shape[-2:]
    sizes = [(H * STRIDE // stride, W * STRIDE // stride) for stride in STRIDES]
    where = locations(sizes, maps.person)
    middle = torch.tensor(maps.fine.middle_px)
    people = [torch.cat((each[..., :2] - middle, each[..., 2:]), -1) for each in known.joints]
    where = Locations(where.points - middle, where.strides, where.ranges)
    targets = [cell_targets(where, joints) for joints in people]
    cells = torch.stack(
        [chosen_cells(maps.peaks[row], each, random) for row, each in enumerate(targets)]
    )
    judged = network.look(maps, cells)
    looks = [
        look_targets(judged.steps[0][row].detach(), each.owner[cells[row]], people[row], areas)
        for row, (each, areas) in enumerate(zip(targets, known.areas, strict=True))
    ]
    positive = torch.stack([each.positive for each in targets])
    return {
        **person_losses(maps, positive, known.certainty),
        "pose": POSE_WEIGHT * pose_loss(maps, targets, people, known.areas),
        **look_losses(judged, looks),
        **judge_losses(judged, looks, people, known, cells),
    }


def cell_targets(where: Locations, joints: Tensor) -> CellTargets:
    """Which cells answer for whom: SMPR's rule for the first guess."""
    if not len(joints):
        return CellTargets(where.strides < 0, torch.zeros_like(where.strides, dtype=torch.long))
    return CellTargets(*suiting(where, boxes_of(joints)))


def chosen_cells(peaks: Tensor, targets: CellTargets, random: Generator) -> Tensor:
    """(2 `LOOKED_AT`,) the best cells, then random ones of people's middles (else more best)."""
    middles = targets.positive.nonzero()[:, 0]
    if not len(middles):
        return best_cells(peaks[None].detach(), 2 * LOOKED_AT)[1][0]
    drawn = torch.randint(len(middles), (LOOKED_AT,), generator=random)
    return torch.cat((best_cells(peaks[None].detach(), LOOKED_AT)[1][0], middles[drawn]))


def look_targets(first: Tensor, owner: Tensor, joints: Tensor, areas: Tensor) -> LookTargets:
    """Whom M cells learn from: whom their first guess (M, 17, 2) resembles most."""
    if not len(joints):
        nobody = first.new_zeros(len(first))
        return LookTargets(functional.pad(first * 0, (0, 1)), nobody + 1, nobody)
    best, person = similarities(joints, areas, first).max(0)
    middles = torch.arange(len(first)) >= LOOKED_AT
    person = torch.where(middles & (best < ALIKE), owner, person)
    learns = (middles | (best >= ALIKE)).to(first.dtype)
    return LookTargets(joints[person], areas[person], learns)


def person_losses(maps: CellMaps, positive: Tensor, certainty: Tensor) -> dict[str, Tensor]:
    """Focal loss of the person logits; where nobody knows, that of leaving the first guess."""
    truth = positive.to(maps.person.dtype)
    count = truth.sum() + len(truth)
    first = maps.guessed.detach().sigmoid()
    leaving = functional.binary_cross_entropy_with_logits(maps.person, first, reduction="none")
    leaving = leaving - functional.binary_cross_entropy(first, first, reduction="none")
    unknown = (1 - certainty) * (1 - truth)
    return {
        "person": focal_sum(maps.person, truth, certainty) / count,
        "kept": KEPT_WEIGHT * (leaving * unknown).sum() / count,
    }


def pose_loss(
    maps: CellMaps,
    targets: Sequence[CellTargets],
    people: Sequence[Tensor],
    areas: Sequence[Tensor],
) -> Tensor:
    """Of the cells' poses: as `distance_loss`, over all cells in people's middles."""
    rows = [
        LookTargets(
            people[row][each.owner[each.positive]],
            areas[row][each.owner[each.positive]],
            torch.ones(int(each.positive.sum())),
        )
        for row, each in enumerate(targets)
        if bool(each.positive.any())
    ]
    if not rows:
        return maps.poses.sum() * 0
    poses = [
        maps.poses[row, each.positive]
        for row, each in enumerate(targets)
        if bool(each.positive.any())
    ]
    return distance_loss(torch.cat(poses), stacked(rows))


def look_losses(judged: JudgedPoses, looks: Sequence[LookTargets]) -> dict[str, Tensor]:
    """Of the poses after each look."""
    target = stacked(looks)
    return {
        f"look{index}": LOOK_WEIGHT * distance_loss(poses.flatten(0, 1), target)
        for index, poses in enumerate(judged.steps[1:], start=1)
    }


def distance_loss(poses: Tensor, target: LookTargets) -> Tensor:
    """Mean of log(1 + e): e is the distance in units of the OKS's tolerance.

    Steep near the joint, where the OKS is decided, and flat for the hopeless.

    Args:
        poses: (M, 17, 2).
        target: of the same cells.
    """
    error = normal_distance(poses, target).add(1e-4).sqrt()
    weight = target.joints[..., 2].clamp(0, 1) * target.learns[:, None]
    return ((1 + error).log() * weight).sum() / weight.sum().clamp(min=1)


def normal_distance(poses: Tensor, target: LookTargets) -> Tensor:
    """(M, 17) squared distance over that at which a joint's term of the OKS is exp(-1/2)."""
    sigmas = torch.from_numpy(COCO_17.sigmas.copy()).to(poses)
    distance = (poses - target.joints[..., :2]).square().sum(-1)
    return distance / (target.areas[:, None].clamp(min=1) * (2 * sigmas).square())


def judge_losses(
    judged: JudgedPoses,
    looks: Sequence[LookTargets],
    people: Sequence[Tensor],
    known: Known,
    cells: Tensor,
) -> dict[str, Tensor]:
    """Cross entropy of the joints' confidences and of the predicted OKS."""
    target, last = stacked(looks), judged.steps[-1].detach()
    labels = target.joints[..., 2]
    truth = (-0.5 * normal_distance(last.flatten(0, 1), target)).exp() * (labels > 0)
    weight = labels.abs().clamp(max=1) * target.learns[:, None]
    entropy = functional.binary_cross_entropy_with_logits(
        judged.joints.flatten(0, 1), truth, reduction="none"
    )
    alike = torch.stack(
        [best_similarity(last[row], people[row], known.areas[row]) for row in range(len(last))]
    )
    learns = torch.stack([each.learns for each in looks])
    sure = torch.maximum(known.certainty.gather(1, cells), learns)
    judge = functional.binary_cross_entropy_with_logits(judged.similarity, alike, reduction="none")
    return {
        "joints": JUDGE_WEIGHT * (entropy * weight).sum() / weight.sum().clamp(min=1),
        "similarity": (judge * sure).sum() / sure.sum().clamp(min=1),
    }


def best_similarity(poses: Tensor, joints: Tensor, areas: Tensor) -> Tensor:
    """(M,) OKS of poses (M, 17, 2) with whom they resemble most; 0 without people."""
    if not len(joints):
        return poses.new_zeros(len(poses))
    return similarities(joints, areas, poses).amax(0)


def stacked(looks: Sequence[LookTargets]) -> LookTargets:
    """The targets of several views, one after the other."""
    return LookTargets(
        torch.cat([each.joints for each in looks]),
        torch.cat([each.areas for each in looks]),
        torch.cat([each.learns for each in looks]),
    )
