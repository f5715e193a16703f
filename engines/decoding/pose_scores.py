"""Scores of people found in boxes, as the top-down papers rescore and suppress them. Pure.

Source: leoxiaobin/deep-high-resolution-net.pytorch, `lib/dataset/coco.py`.
"""

import numpy as np
from numpy.typing import NDArray

from engines.decoding.pose_suppression import oks_nms, pose_similarities
from stream.skeleton import Skeleton

Floats = NDArray[np.float32]

SEEN_CONFIDENCE = 0.05
"""Joints above count in a person's score (ours; HRNet's `in_vis_thre` is 0.2).

Small values say how doubtful a joint is, and who shows a few sure joints among doubtful ones is
doubtful. AP of our models rose by .00 to .025 in every row of `docs/accuracy.md`, that of MoveNet's
poses in boxes by -.008 to .030."""


def scores_in_boxes(keypoints: Floats, box_scores: Floats) -> Floats:
    """(N,) score of the box times the mean confidence of the joints seen, of (N, J, 3)."""
    seen = keypoints[..., 2] > SEEN_CONFIDENCE
    sums = (keypoints[..., 2] * seen).sum(-1)
    scores: Floats = (box_scores * sums / np.maximum(seen.sum(-1), 1)).astype(np.float32)
    return scores


def distinct_people(
    keypoints: Floats, scores: Floats, areas_px2: NDArray[np.float64], skeleton: Skeleton
) -> NDArray[np.intp]:
    """Who stays, best first: of two people more alike than OKS 0.9 the better one.

    Args:
        keypoints: (N, J, 3).
        scores: (N,).
        areas_px2: (N,) of the padded boxes.
        skeleton: of the poses.
    """
    points = keypoints[..., :2].astype(np.float64)
    similarity = pose_similarities(points, areas_px2, skeleton)
    return oks_nms(similarity, scores.astype(np.float64))


def padded_areas_px2(sides_px: Floats, aspect: float, padding: float) -> NDArray[np.float64]:
    """(N,) area of what crops show of boxes with sides (N, 2): the scale of suppression.

    Args:
        sides_px: width and height.
        aspect: width over height of the crop.
        padding: of the crop.
    """
    widths = np.maximum(sides_px[:, 0], sides_px[:, 1] * aspect) * padding
    return np.asarray(widths**2 / aspect, np.float64)
