"""What is wrong with each joint of a person found. Pure.

After Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation" (ICCV
2017), section 3.1, and their code (matteorr/coco-analyze, `pycocotools/cocoanalyze.py`). Two
differences: a similarity of exactly 0.85 is good (their code counts it nowhere), and a corrected
joint is put where it has the similarity that the paper says (their code leaves the 2 of k = 2 sigma
out and puts it at half that distance).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from stream.skeleton import Skeleton

Array = NDArray[np.float64]

MIN_ALIKE = 0.5
"""A joint with less keypoint similarity to every joint of its kind is a miss."""
MIN_GOOD = 0.85
"""From here on a joint is good; between the two it jitters."""


class JointError(StrEnum):
    """What became of a labelled joint of a person who was found."""

    GOOD = "good"
    JITTER = "jitter"
    """Near its place, not on it."""
    INVERSION = "inversion"
    """On the other side of the same body: left for right."""
    SWAP = "swap"
    """On a joint of the same kind of somebody else."""
    MISS = "miss"
    """Near none of them."""


CORRECTION_ORDER = (JointError.MISS, JointError.SWAP, JointError.INVERSION, JointError.JITTER)
"""In which order the authors correct errors to see what each kind costs."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureTruth:
    """The labelled people of one picture."""

    keypoints: Array
    """(N, J, 3) x, y, visibility; visibility 0 means not labelled."""
    areas_px2: Array
    """(N,) s^2 of OKS."""


@dataclass(frozen=True, slots=True, eq=False)
class JointVerdicts:
    """What is wrong with a person found, joint by joint."""

    errors: tuple[JointError | None, ...]
    """J of them; None where the label does not know the joint."""
    similarity: Array
    """(J,) to the joint it is nearest to, whoever that belongs to; 0 where unlabelled."""


def joint_verdicts(
    found_px: Array, truth: PictureTruth, own: int, skeleton: Skeleton
) -> JointVerdicts:
    """Judges every joint of a person found.

    Args:
        found_px: (J, 2).
        truth: everybody in the picture.
        own: index of the person that was matched.
        skeleton: of both.
    """
    similarity = _similarities(found_px, truth, skeleton)
    best = np.maximum(similarity.max(axis=(0, 1)), 0.0)
    straight, inverted = similarity[0, own], similarity[1, own]
    labelled = truth.keypoints[own, :, 2] > 0
    errors = tuple(
        _verdict(*values) if known else None
        for known, *values in zip(labelled, best, straight, inverted, strict=True)
    )
    return JointVerdicts(errors, best * labelled)


def corrected(
    found_px: Array,
    verdicts: JointVerdicts,
    person: PictureTruth,
    kinds: Collection[JointError],
    skeleton: Skeleton,
) -> Array:
    """(J, 2): joints with an error among `kinds` are put near their true place.

    A jittering joint goes where it is just good, a miss where it just jitters; an inverted or
    swapped joint comes as near to the right joint as it was to the wrong one.

    Args:
        found_px: (J, 2).
        verdicts: of this person.
        person: the labelled person alone, N = 1.
        kinds: what to correct.
        skeleton: of both.
    """
    pairs = zip(verdicts.errors, verdicts.similarity.tolist(), strict=True)
    goal = np.array([_goal(error, similarity) for error, similarity in pairs])
    distance = distance_at(goal, float(person.areas_px2[0]), skeleton)
    moved = person.keypoints[0, :, :2] + np.stack([distance, np.zeros_like(distance)], -1)
    wrong = np.array([error in kinds for error in verdicts.errors])
    return np.where(wrong[:, None], moved, found_px)


def distance_at(similarity: Array, area_px2: float, skeleton: Skeleton) -> Array:
    """(J,) pixels from a joint at which the keypoint similarity is (J,) `similarity` in (0, 1]."""
    spread = 2 * skeleton.sigmas.astype(np.float64)
    distance: Array = np.sqrt(-2 * np.log(similarity) * area_px2) * spread
    return distance


def _similarities(found_px: Array, truth: PictureTruth, skeleton: Skeleton) -> Array:
    """(2, N, J) to everybody's joints as they are, and with left and right exchanged; -1 unknown.

    exp(-d^2 / (2 s^2 k^2)), k = 2 sigma, as in COCO's OKS.
    """
    both = np.stack([truth.keypoints, truth.keypoints[:, skeleton.flip_order()]])
    distance2 = ((both[..., :2] - found_px) ** 2).sum(-1)
    spread = (2 * skeleton.sigmas.astype(np.float64)) ** 2
    scale = 2 * (truth.areas_px2[:, None] + np.spacing(1)) * spread
    return np.where(both[..., 2] > 0, np.exp(-distance2 / scale), -1.0)


def _verdict(best: float, straight: float, inverted: float) -> JointError:
    if best < MIN_ALIKE:
        return JointError.MISS
    if straight >= best:
        return JointError.GOOD if straight >= MIN_GOOD else JointError.JITTER
    return JointError.INVERSION if inverted >= best else JointError.SWAP


def _goal(error: JointError | None, similarity: float) -> float:
    """The similarity that a corrected joint gets."""
    if error in (JointError.INVERSION, JointError.SWAP):
        return similarity
    return MIN_ALIKE if error is JointError.MISS else MIN_GOOD
