"""Object keypoint similarity: how alike two poses are, in [0, 1]. Pure."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def object_keypoint_similarity(
    first_px: Floats, second_px: Floats, weights: Floats, area_px2: Floats, sigmas: Floats
) -> Floats:
    """OKS of all pairs (COCO keypoint evaluation): mean over joints of exp(-d^2 / (2 s^2 k^2)).

    k = 2 sigma as in pycocotools. COCO counts the joints that are labelled in the truth; here the
    caller says so by `weights` (0 leaves a joint out).

    Args:
        first_px: (N, J, 2) pixels.
        second_px: (M, J, 2) pixels of the same frame.
        weights: (N, J), 0 or more; how much each joint of the first poses counts.
        area_px2: (N,) scale squared of the first poses, s^2 of the definition.
        sigmas: (J,) of the skeleton.

    Returns:
        (N, M) in [0, 1]; 0 where a first pose has no joint that counts (like nothing).
    """
    distance2 = ((first_px[:, None] - second_px[None]) ** 2).sum(-1)  # (N, M, J)
    scale = 2 * np.maximum(area_px2, 1e-6)[:, None] * (2 * sigmas[None]) ** 2  # (N, J)
    similar = np.exp(-distance2 / scale[:, None]) * weights[:, None]
    total = weights.sum(-1)[:, None]
    oks: Floats = (similar.sum(-1) / np.maximum(total, 1e-9)).astype(np.float32)
    return oks


def pose_area_px2(keypoints_px: Floats) -> Floats:
    """(N,) area that stands for s^2 where no segment is known: 0.53 of the box of (N, J, 2) joints.

    0.53 is the mean ratio of person mask to box in COCO; a side counts as at least a quarter of the
    other, so that a person seen edge-on keeps an area.
    """
    sides = np.ptp(keypoints_px, axis=1)  # (N, 2)
    sides = np.maximum(sides, sides[:, ::-1] * 0.25)
    area: Floats = (0.53 * sides[:, 0] * sides[:, 1]).astype(np.float32)
    return area
