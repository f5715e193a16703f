"""COCO's object keypoint similarity, joint by joint, as losses want it.

Losses of distances count a pixel alike for a nose and a hip, for near and far people; the
similarity, and so AP, does not.
"""

import torch
from torch import Tensor

from stream.skeleton import COCO_17


def joint_similarity(left: Tensor, area: Tensor) -> Tensor:
    """exp(-d^2 / (2 s^2 k^2)), k = 2 sigma as in pycocotools: (B, ..., 17).

    Args:
        left: (B, ..., 17, 2) from each joint to its true place.
        area: (B,) s^2 of the people, in the square of the same unit; counts as 1 at least.
    """
    sigmas = torch.from_numpy(COCO_17.sigmas.copy()).to(left)
    scale = area.clamp(min=1.0).reshape(-1, *[1] * (left.ndim - 2))
    return (-left.square().sum(-1) / (2 * scale * (2 * sigmas).square())).exp()
