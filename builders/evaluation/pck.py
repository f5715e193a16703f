"""Share of joints found near enough to their place, joint by joint (PCK)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from builders.evaluation.labels import Labels, Record
from builders.evaluation.matching import match_people
from builders.evaluation.people import People
from stream.errors import ConfigError

THRESHOLDS = (0.1, 0.2)
HEAD_THRESHOLDS = (0.1, 0.2, 0.5)
"""PCKh is usually given at half a head."""
HEAD_SHARE = 0.6
"""Of the head box's diagonal: the head size of MPII's own evaluation (its SC_BIAS)."""


class PckScale(StrEnum):
    """Which length of a person the distance is compared with."""

    TORSO = "torso"
    """Left shoulder to right hip (Sapp and Taskar, CVPR 2013, for FLIC; Johnson's LSP)."""
    BOX = "box"
    """Longer side of the box (Yang and Ramanan, PAMI 2013)."""
    HEAD = "head"
    """PCKh: 0.6 of the diagonal of `head_box`, else from `head` to `neck` (MPII; CrowdPose)."""


@dataclass(frozen=True, slots=True)
class PckReport:
    """Shares in [0, 1]."""

    scale: PckScale
    total: dict[str, float]
    """`PCK@0.1` and so on, over all joints."""
    joints: dict[str, dict[str, float]]
    """The same by joint; joints that nobody has are left out."""
    counted: int
    """Labelled joints of people whose scale is known; those of people not found are wrong."""


def pck_report(labels: Labels, found: Mapping[int, People], scale: PckScale) -> PckReport:
    """PCK of the people found; each labelled person takes the one that COCO matches (any OKS > 0).

    Raises:
        ConfigError: if the scale is known of nobody.
    """
    matched = {m.label: m.who for m in match_people(labels, found, min_oks=1e-9).matches}
    names = labels.skeleton.joints
    rows, joints = [], []
    for person in labels.counted():
        length = _length(person, names, scale)
        if length > 0:
            truth = np.array(person["keypoints"]).reshape(-1, 3)
            known = truth[:, 2] > 0
            joints += [name for name, is_known in zip(names, known, strict=True) if is_known]
            distances = np.full(len(truth), np.inf)
            if person["id"] in matched:
                image, index = matched[person["id"]]
                points = found[image][0][index, :, :2]
                distances = np.hypot(*(points - truth[:, :2]).T)
            rows.append(distances[known] / length)
    if not rows:
        raise ConfigError(
            f"labels {labels.source.annotations}: the {scale} of nobody is known; "
            f"take another scale: {', '.join(other for other in PckScale if other is not scale)}"
        )
    return _report(np.concatenate(rows), np.array(joints), scale)


def _report(shares: np.ndarray, joints: np.ndarray, scale: PckScale) -> PckReport:
    thresholds = HEAD_THRESHOLDS if scale is PckScale.HEAD else THRESHOLDS

    def row(chosen: np.ndarray) -> dict[str, float]:
        return {f"PCK@{limit:g}": float((chosen <= limit).mean()) for limit in thresholds}

    by_joint = {name: row(shares[joints == name]) for name in dict.fromkeys(joints.tolist())}
    return PckReport(scale, row(shares), by_joint, len(shares))


def _length(person: Record, names: tuple[str, ...], scale: PckScale) -> float:
    """Pixels; 0 if it is not known."""
    if scale is PckScale.BOX:
        return float(max(person["bbox"][2:]))
    if scale is PckScale.HEAD:
        if "head_box" in person:
            return HEAD_SHARE * float(np.hypot(*person["head_box"][2:]))
        return _between(person, names, ("head", "neck"))
    return _between(person, names, ("left_shoulder", "right_hip"))


def _between(person: Record, names: tuple[str, ...], ends: tuple[str, str]) -> float:
    if not set(ends) <= set(names):
        return 0.0
    points = np.array(person["keypoints"]).reshape(-1, 3)[[names.index(end) for end in ends]]
    return float(np.hypot(*(points[0] - points[1])[:2])) if (points[:, 2] > 0).all() else 0.0
