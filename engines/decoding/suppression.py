"""From candidates to people: the batched step after a one-pass graph. Pure.

Greedy suppression as in "Towards Accurate Multi-person Pose Estimation in the Wild" (Papandreou et
al., 2017, section 3.3: OKS instead of box overlap): the better of two poses alike stays, the other
one goes. Soft suppression by the boxes of the poses as in SMPR. The manifest says which.
"""

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Thresholds
from engines.decoding.box_suppression import SoftSuppression, soft_nms
from stream.oks import object_keypoint_similarity, pose_area_px2

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

CONFIDENCE_FLOOR = 0.01
"""Weight of a joint that is not seen: enough that two poses of only such joints compare."""
MOST_PEOPLE = 30
"""Of soft suppression, which leaves weak doubles."""


def select_people(
    keypoints: Floats, scores: Floats, thresholds: Thresholds, sigmas: Floats
) -> list[tuple[Indices, Floats]]:
    """The people of each picture: candidates and their final scores, best first.

    Args:
        keypoints: (B, M, J, 3) x, y in pixels and confidence; finite.
        scores: (B, M); finite.
        thresholds: which suppression, and the final score that a person needs.
        sigmas: (J,) of the skeleton.
    """
    if thresholds.soft_nms_iou is not None:
        soft = SoftSuppression(thresholds.soft_nms_iou, thresholds.min_score, MOST_PEOPLE)
        return [_faded(*picture, soft) for picture in zip(keypoints, scores, strict=True)]
    kept = suppress_doubles(keypoints, scores, thresholds, sigmas)
    return [(people, scores[row, people]) for row, people in enumerate(kept)]


def _faded(poses: Floats, scores: Floats, soft: SoftSuppression) -> tuple[Indices, Floats]:
    # Scores only fall: who has too little at first neither stays nor makes others fade.
    enough = np.flatnonzero((scores >= np.float32(soft.lowest)) & (scores > 0))
    points = poses[enough, :, :2]
    boxes = np.concatenate((points.min(1), points.max(1)), 1)
    kept, lowered = soft_nms(boxes, scores[enough], soft)
    return enough[kept], lowered.astype(np.float32)


def suppress_doubles(
    keypoints: Floats, scores: Floats, thresholds: Thresholds, sigmas: Floats
) -> list[Indices]:
    """Which candidates of each picture are people, one index array a picture, best score first.

    Args:
        keypoints: (B, M, J, 3) x, y in pixels and confidence; finite.
        scores: (B, M); finite.
        thresholds: `min_score` a person needs; poses with OKS above `nms_oks` are one person, the
            small ones sooner with `nms_slack_px`; without it none are.
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
    area_px2 = pose_area_px2(points) + np.float32(thresholds.nms_slack_px**2)
    alike = object_keypoint_similarity(points, points, weights, area_px2, sigmas)
    return order[_kept(alike > (thresholds.nms_oks or 1.0))]


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
