"""SMPR's maps to poses: candidates of fixed number in torch, then linear soft suppression.

`SmprGraph` is the exported model; its suppression is the batched step of `engines.decoding`.

Source: SMPR's released code (`get_bboxes`, `multiclass_nms_kpt`, mmdetection's `soft_nms`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.networks.centre_sampling import STRIDES, best_cells, cells_of, level_points
from builders.networks.smpr import JOINTS, SmprMaps
from engines.decoding.box_suppression import SoftSuppression, soft_nms
from stream.skeleton import COCO_17

Array = NDArray[np.float64]

MULTI_SCALE = ((1333, 800), (1666, 1000), (1999, 1200), (1333, 400), (1333, 600))
"""Longest and shortest side of pictures in the multi-scale test, each with its mirror."""


@dataclass(frozen=True, slots=True)
class SmprDecodeSettings:
    """As released."""

    per_level: int = 1000
    """Best candidates of each level, by the product of both scores."""
    person: float = 0.05
    """Candidates whose person score alone is not above are dropped."""
    overlap: float = 0.3
    """Soft suppression lowers scores of boxes that overlap more."""
    lowest: float = 1e-3
    """Lowered scores below are dropped."""
    people: int = 20


@dataclass(frozen=True, slots=True, eq=False)
class SmprCandidates:
    """Poses of one or more pictures before suppression, M each."""

    keypoints: Tensor
    """(B, M, 17, 2) pixels of the resized picture, clamped to it."""
    confidence: Tensor
    """(B, M, 17) in [0, 1]; all 1 as released."""
    person: Tensor
    """(B, M) in [0, 1]."""
    score: Tensor
    """(B, M): person times predicted OKS."""


def candidates(maps: SmprMaps, last_pixel: Tensor, settings: SmprDecodeSettings) -> SmprCandidates:
    """The best locations of every level, P3 first; M is `per_level` times the number of levels.

    A level with fewer cells is filled up with candidates of score 0, so that M does not depend on
    the size of the picture.

    Args:
        maps: of a batch of equally large pictures.
        last_pixel: (2,) x, y of the last pixel of the resized picture without its padding.
        settings: `per_level` is used.
    """
    levels = [_level(maps, level, settings.per_level) for level in range(len(maps.person))]
    keypoints, confidence, person, score = (torch.cat(p, 1) for p in zip(*levels, strict=True))
    inside = torch.minimum(keypoints.clamp(min=0), last_pixel.to(keypoints))
    return SmprCandidates(inside, confidence, person, score)


def _level(maps: SmprMaps, level: int, most: int) -> tuple[Tensor, ...]:
    person = maps.person[level].sigmoid().flatten(1)
    score, cells = best_cells(person * maps.similarity[level].sigmoid().flatten(1), most)
    H, W = maps.person[level].shape[-2:]
    stride = STRIDES[level]
    offset = cells_of(maps.refined[level], cells) * stride  # (B, most, 34)
    poses = offset + level_points(H, W, stride, offset)[cells].repeat(1, 1, JOINTS)
    keypoints = poses.reshape(-1, most, JOINTS, 2)
    known = score.clamp(min=0).sign()  # 0 for what only fills the level up
    return keypoints, _confidence(maps, level, cells), person.gather(1, cells) * known, score


def _confidence(maps: SmprMaps, level: int, cells: Tensor) -> Tensor:
    if maps.joint_similarity is None:
        return torch.ones_like(cells, dtype=maps.person[level].dtype)[..., None].expand(
            -1, -1, JOINTS
        )
    return cells_of(maps.joint_similarity[level], cells).sigmoid()


def mirrored_back(found: SmprCandidates, width: int) -> SmprCandidates:
    """Candidates of the mirrored picture, `width` pixels wide, as those of the picture."""
    order = COCO_17.flip_order().tolist()
    keypoints = found.keypoints[:, :, order]
    keypoints = torch.stack((width - 1 - keypoints[..., 0], keypoints[..., 1]), -1)
    return SmprCandidates(keypoints, found.confidence[:, :, order], found.person, found.score)


def pooled(parts: Sequence[SmprCandidates], scales: Sequence[float]) -> SmprCandidates:
    """Candidates of several sizes of one picture together, in pixels of the unscaled picture.

    Args:
        parts: candidates of each size; mirrored ones already turned back.
        scales: resized pixels per source pixel of each.
    """
    keypoints = [part.keypoints / scale for part, scale in zip(parts, scales, strict=True)]
    return SmprCandidates(
        torch.cat(keypoints, 1),
        torch.cat([part.confidence for part in parts], 1),
        torch.cat([part.person for part in parts], 1),
        torch.cat([part.score for part in parts], 1),
    )


def poses(
    keypoints: Array, person: Array, score: Array, settings: SmprDecodeSettings
) -> tuple[Array, Array]:
    """People of one picture, best first; every keypoint counts as seen (confidence 1).

    Args:
        keypoints: (M, 17, 2).
        person: (M,) the person score alone; the threshold applies to it, before the product.
        score: (M,) the product.
        settings: all but `per_level`.

    Returns:
        (N, 17, 2) and (N,) scores after soft suppression on the boxes of the keypoints.
    """
    keep = person > settings.person
    keypoints, score = keypoints[keep], score[keep]
    boxes = np.concatenate((keypoints.min(1), keypoints.max(1)), 1)
    soft = SoftSuppression(settings.overlap, settings.lowest, settings.people)
    order, lowered = soft_nms(boxes, score, soft)
    return keypoints[order], lowered
