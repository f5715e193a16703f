"""SMPR's maps to poses: candidates of fixed number in torch, then linear soft suppression.

Source: SMPR's released code (`get_bboxes`, `multiclass_nms_kpt`, mmdetection's `soft_nms`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.networks.centre_sampling import STRIDES, level_points
from builders.networks.smpr import JOINTS, SmprMaps
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
    person: Tensor
    """(B, M) in [0, 1]."""
    score: Tensor
    """(B, M): person times predicted OKS."""


def candidates(
    maps: SmprMaps, picture: tuple[int, int], settings: SmprDecodeSettings
) -> SmprCandidates:
    """The best locations of every level, P3 first.

    Args:
        maps: of a batch of equally large pictures.
        picture: (width, height) of the resized picture without its padding.
        settings: `per_level` is used.
    """
    levels = [
        _level(maps, level, stride, settings.per_level) for level, stride in enumerate(STRIDES)
    ]
    keypoints, person, score = (torch.cat(parts, 1) for parts in zip(*levels, strict=True))
    limit = torch.tensor(picture, dtype=keypoints.dtype, device=keypoints.device) - 1
    return SmprCandidates(torch.minimum(keypoints.clamp(min=0), limit), person, score)


def _level(maps: SmprMaps, level: int, stride: int, most: int) -> tuple[Tensor, Tensor, Tensor]:
    person = maps.person[level].sigmoid().flatten(1)
    score = person * maps.similarity[level].sigmoid().flatten(1)
    H, W = maps.person[level].shape[-2:]
    offset = maps.refined[level].flatten(2).transpose(1, 2) * stride  # (B, H * W, 34)
    points = level_points(H, W, stride, offset)
    poses = offset + points.repeat(1, JOINTS)
    best = score.topk(min(most, H * W), 1).indices
    poses = poses.gather(1, best[..., None].expand(-1, -1, 2 * JOINTS))
    return (
        poses.reshape(poses.shape[0], -1, JOINTS, 2),
        person.gather(1, best),
        score.gather(1, best),
    )


def mirrored_back(found: SmprCandidates, width: int) -> SmprCandidates:
    """Candidates of the mirrored picture, `width` pixels wide, as those of the picture."""
    order = COCO_17.flip_order().tolist()
    keypoints = found.keypoints[:, :, order]
    keypoints = torch.stack((width - 1 - keypoints[..., 0], keypoints[..., 1]), -1)
    return SmprCandidates(keypoints, found.person, found.score)


def pooled(parts: Sequence[SmprCandidates], scales: Sequence[float]) -> SmprCandidates:
    """Candidates of several sizes of one picture together, in pixels of the unscaled picture.

    Args:
        parts: candidates of each size; mirrored ones already turned back.
        scales: resized pixels per source pixel of each.
    """
    keypoints = [part.keypoints / scale for part, scale in zip(parts, scales, strict=True)]
    return SmprCandidates(
        torch.cat(keypoints, 1),
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
    order, lowered = soft_nms(boxes, score, settings.overlap, settings.lowest)
    return keypoints[order][: settings.people], lowered[: settings.people]


def soft_nms(
    boxes: Array, scores: Array, overlap: float, lowest: float
) -> tuple[NDArray[np.intp], Array]:
    """Linear soft suppression (Bodla et al., ICCV 2017): boxes that overlap a better one fade.

    Args:
        boxes: (M, 4) left, top, right, bottom; both edges belong to the box (sides + 1).
        scores: (M,).
        overlap: a box with a larger IoU with a better one is multiplied by 1 - IoU.
        lowest: boxes that fall below are dropped.

    Returns:
        Indices and lowered scores, best first.
    """
    left = scores.astype(np.float64).copy()
    kept: list[int] = []
    lowered: list[float] = []
    while left.size and left.max() >= lowest:
        best = int(left.argmax())
        kept.append(best)
        lowered.append(float(left[best]))
        share = box_overlaps(boxes[best], boxes)
        left = left * np.where(share > overlap, 1 - share, 1.0)
        left[best] = -1.0
        left[kept] = -1.0
    return np.array(kept, np.intp), np.array(lowered)


def box_overlaps(box: Array, boxes: Array) -> Array:
    """(M,) intersection over union of one box with (M, 4) boxes, sides + 1."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(-1)
    union: Array = (box[2:] - box[:2] + 1).prod() + areas - shared
    overlaps: Array = shared / union
    return overlaps
