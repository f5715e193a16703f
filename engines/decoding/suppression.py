"""Greedy suppression of doubles: the batched step after a one-pass graph. Pure.

As in "Towards Accurate Multi-person Pose Estimation in the Wild" (Papandreou et al., 2017, section
3.3: OKS instead of box overlap); the better of two poses alike stays, the other one goes.
"""

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Thresholds
from stream.oks import object_keypoint_similarity, pose_area_px2

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

CONFIDENCE_FLOOR = 0.01
"""Weight of a joint that is not seen: enough that two poses of only such joints compare."""


def suppress_doubles(
    keypoints: Floats, scores: Floats, thresholds: Thresholds, sigmas: Floats
) -> list[Indices]:
    """Which candidates of each picture are people, one index array a picture, best score first.

    Args:
        keypoints: (B, M, J, 3) x, y in pixels and confidence; finite.
        scores: (B, M); finite.
        thresholds: `min_score` a person needs; poses with OKS above `nms_oks` are one person.
        sigmas: (J,) of the skeleton.
    """
    return [
        _people(poses, values, thresholds, sigmas)
        for poses, values in zip(keypoints, scores, strict=True)
    ]


def _people(poses: Floats, scores: Floats, thresholds: Thresholds, sigmas: Floats) -> Indices:
    enough = np.flatnonzero(scores >= np.float32(thresholds.min_score))
    order = enough[_best_first(poses[enough], scores[enough])]
    ranked = poses[order]
    points = np.ascontiguousarray(ranked[..., :2])
    weights = np.maximum(ranked[..., 2], np.float32(CONFIDENCE_FLOOR))
    alike = object_keypoint_similarity(points, points, weights, pose_area_px2(points), sigmas)
    return order[_kept(alike > thresholds.nms_oks)]


def _best_first(poses: Floats, scores: Floats) -> Indices:
    """By falling score; ties by content, so that the order of the candidates cannot matter."""
    contents = poses.reshape(len(poses), poses.shape[1] * poses.shape[2])
    return np.lexsort((*contents.T, -scores))


def _kept(double: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Row i says which poses are doubles of pose i, best first; True for those that stay."""
    kept = np.ones(len(double), np.bool_)
    for better in range(len(double)):
        if kept[better]:
            kept[better + 1 :] &= ~double[better, better + 1 :]
    return kept
