"""What a pose lacks of COCO's object keypoint similarity, joint by joint, to be learnt (ours).

Losses of distances count a pixel alike for a nose and a hip, for near and far people; the
similarity, and so AP, does not.
"""

import torch
from torch import Tensor

from stream.skeleton import COCO_17


def lacking_similarity(left: Tensor, area: Tensor) -> Tensor:
    """1 - exp(-d^2 / (2 s^2 k^2)), k = 2 sigma as in pycocotools: (B, ..., 17).

    Args:
        left: (B, ..., 17, 2) from each joint to its true place.
        area: (B,) s^2 of the people, in the square of the same unit.
    """
    sigmas = torch.tensor(COCO_17.sigmas.tolist()).to(left)
    scale = area.clamp(min=1.0).reshape(-1, *[1] * (left.ndim - 2))
    return 1 - (-left.square().sum(-1) / (2 * scale * (2 * sigmas) ** 2)).exp()
