"""Which SMPR locations learn which person; source: SMPR's released code.

A location learns its first guess if it lies in the shrunk middle of a person's box whose size suits
the level (FCOS); person score, refined pose and predicted OKS if, besides, its first guess already
resembles somebody.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from builders.networks.centre_sampling import Locations, suiting
from builders.networks.smpr import JOINTS
from stream.errors import PoseError
from stream.skeleton import COCO_17

SIMILAR = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class SmprTargets:
    """What the locations of one picture learn."""

    initial: Tensor
    """(P,) bool: learn the first guess."""
    refined: Tensor
    """(P,) bool: learn person score, refined pose and OKS."""
    similarity: Tensor
    """(P,) OKS of the first guess with the person it resembles most."""
    offset: Tensor
    """(P, 34) joints minus location, in strides, of the person of `initial`."""
    visible: Tensor
    """(P, 34) 0 or 1, or how good a teacher's joint is."""
    labels: Tensor
    """(P, 17) of the person of `initial`: above 0 known, 0 unknown, below 0 surely not there."""
    area: Tensor
    """(P,) pixels squared, of that person."""


def boxes_of(joints: Tensor) -> Tensor:
    """(G, 4) smallest boxes of the labelled joints; right and bottom less 1, as released.

    Args:
        joints: (G, 17, 3) x, y, label.

    Raises:
        PoseError: if a person has no labelled joint.
    """
    known = joints[:, :, 2:] > 0
    if not bool(known.any(1).all()):
        raise PoseError("SMPR learns from people with at least one labelled joint; drop the others")
    low = joints[:, :, :2].masked_fill(~known, float("inf")).amin(1)
    high = joints[:, :, :2].masked_fill(~known, float("-inf")).amax(1) - 1
    return torch.cat((low, high), 1)


def assign(where: Locations, joints: Tensor, areas: Tensor, first_guess: Tensor) -> SmprTargets:
    """Targets of one picture.

    Args:
        where: its P locations.
        joints: (G, 17, 3) pixels of the network's input, label above 0 for known; below 0 for
            joints that are surely not to be seen, which only the joints' confidence learns.
        areas: (G,) segment areas in those pixels squared.
        first_guess: (P, 17, 2) initial poses in pixels (the paper says refined; FOLLOWS the code).
    """
    if not len(joints):
        return _without_people(where)
    initial, person = suiting(where, boxes_of(joints))
    similarity = similarities(joints, areas, first_guess)  # (G, P)
    best = similarity.amax(0)
    # A person's best location learns however little it resembles (least OKS 0).
    chosen = (best >= SIMILAR) | (similarity == similarity.amax(1, keepdim=True)).any(0)
    offset = joints[person, :, :2] - where.points[:, None]
    labels = joints[person, :, 2]
    return SmprTargets(
        initial,
        initial & chosen,
        best,
        offset.flatten(1) / where.strides[:, None],
        labels.clamp(0, 1).to(offset.dtype).repeat_interleave(2, 1),
        labels,
        areas[person],
    )


def _without_people(where: Locations) -> SmprTargets:
    nothing = torch.zeros_like(where.strides)
    empty = nothing[:, None].expand(-1, 2 * JOINTS)
    labels = empty[:, :JOINTS]
    return SmprTargets(nothing > 0, nothing > 0, nothing, empty, empty, labels, nothing + 1)


def similarities(joints: Tensor, areas: Tensor, poses: Tensor) -> Tensor:
    """(G, P) OKS of every pose with every person, over the person's labelled joints.

    Args:
        joints: (G, 17, 3).
        areas: (G,) scale squared.
        poses: (P, 17, 2).
    """
    sigmas = torch.from_numpy(COCO_17.sigmas.copy()).to(poses)
    known = (joints[:, :, 2] > 0).to(poses.dtype)  # (G, 17)
    distance = (joints[:, None, :, :2] - poses[None]).square().sum(-1)  # (G, P, 17)
    scale = 2 * areas[:, None] * (2 * sigmas).square()
    similar = (-distance / scale[:, None]).exp() * known[:, None]
    return similar.sum(-1) / known.sum(-1)[:, None]


def heat_labels(joints: Tensor, height: int, width: int) -> Tensor:
    """(height, width) labels of the stride-8 map: 0, or joint + 1; the last joint in a cell wins.

    Args:
        joints: (G, 17, 3) pixels.
        height: of the map.
        width: of the map.
    """
    labels = torch.zeros(height, width, dtype=torch.long, device=joints.device)
    cells = ((joints[:, :, :2] - 4) / 8).round().long()
    for person, joint in (joints[:, :, 2] > 0).nonzero().tolist():
        x, y = cells[person, joint].tolist()
        if 0 <= x < width and 0 <= y < height:
            labels[y, x] = joint + 1
    return labels
