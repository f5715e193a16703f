"""Pictures on their way into a network."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def pixel_tensor(rgb: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) to (3, H, W) uint8: small on the way from the loader processes."""
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))


def movenet_pixels(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 RGB to floats in [-1, 1], channels last."""
    return (pixels.float() / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
