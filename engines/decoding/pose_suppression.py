"""Suppression of doubles by pose similarity, as the top-down papers evaluate.

Source: leoxiaobin/deep-high-resolution-net.pytorch, `nms/nms.py`. The area of a person is that of
the padded crop box (scale * 200), keypoint confidences are not used.
"""

import numpy as np
from numpy.typing import NDArray

from stream.skeleton import COCO_17, Skeleton

Array = NDArray[np.float64]

THRESHOLD = 0.9
SOFT_PEOPLE = 20


def pose_similarities(keypoints_px: Array, areas_px2: Array, skeleton: Skeleton = COCO_17) -> Array:
    """(N, N) OKS of all pairs over all joints, with the mean of both areas as the scale.

    Args:
        keypoints_px: (N, J, 2).
        areas_px2: (N,).
        skeleton: of the poses.
    """
    variance = (2 * skeleton.sigmas.astype(np.float64)) ** 2
    scale = (areas_px2[:, None] + areas_px2[None]) / 2 + np.spacing(1)
    distance = ((keypoints_px[:, None] - keypoints_px[None]) ** 2).sum(-1)
    similarity: Array = np.exp(-distance / (2 * variance * scale[..., None])).mean(-1)
    return similarity


def oks_nms(similarity: Array, scores: Array, threshold: float = THRESHOLD) -> NDArray[np.intp]:
    """Indices of kept people, best first: greedy, a person stays if no kept one is more alike.

    Args:
        similarity: (N, N).
        scores: (N,).
        threshold: people with a similarity up to it (inclusive) stay.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for person in order:
        if (similarity[person, kept] <= threshold).all():
            kept.append(int(person))
    return np.array(kept, np.intp)


def soft_oks_nms(
    similarity: Array, scores: Array, threshold: float = THRESHOLD
) -> tuple[NDArray[np.intp], Array]:
    """The soft form: scores fall by exp(-OKS^2 / threshold); at most 20 people.

    Args:
        similarity: (N, N).
        scores: (N,).
        threshold: width of the fall.

    Returns:
        (M,) indices and (M,) lowered scores, best first.
    """
    left = scores.astype(np.float64).copy()
    kept: list[int] = []
    lowered: list[float] = []
    for _ in range(min(SOFT_PEOPLE, len(left))):
        best = int(left.argmax())
        kept.append(best)
        lowered.append(float(left[best]))
        left = left * np.exp(-(similarity[best] ** 2) / threshold)
        left[kept] = -np.inf
    return np.array(kept, np.intp), np.array(lowered)
