"""PoseFix: refines a given pose from the picture and the pose drawn as heatmaps.

Source: Moon et al., "PoseFix: Model-Agnostic General Human Pose Refinement Network" (CVPR 2019);
follows the released TensorFlow code. All coordinates are crop pixels unless said otherwise.
"""

from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.heatmap_decode import FLIP_ORDER
from builders.networks.simple_baseline import JOINTS, SimpleBaseline
from builders.networks.topdown_graph import FlipTest

MEAN = (123.68, 116.78, 103.94)
"""Subtracted from B, G, R in this order: a mismatch of the released code, kept for its weights."""
AMPLITUDE = 255.0
SIGMA_BY_CROP_HEIGHT = {256: 7.0, 384: 9.0}
"""Of the drawn pose, in crop pixels."""
STRIDE = 4
NORM_EPS = 1e-9
NORM_MOMENTUM = 0.01
"""TensorFlow's decay 0.99."""


class UnscoredJoints(Enum):
    """What becomes of input joints with confidence 0."""

    INVALID = "left out of the drawn pose"
    DRAWN = "drawn all the same, as the released code does"


class PoseFix(SimpleBaseline):
    """Picture and drawn pose in, one map of logits per joint at stride 4 out.

    Args:
        depth: of the ResNet: 50, 101 or 152.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(depth, inputs=3 + JOINTS)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = NORM_EPS, NORM_MOMENTUM
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.trunc_normal_(module.weight, std=0.01)
        nn.init.kaiming_normal_(self.final_layer.weight)


def input_box(xy: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """x, y, w, h of the box that a given pose is cropped by, before `stream.geometry.crop_affine`.

    The joints' extent (20 px where it is nothing), 1.2 times about its centre; the crop's own 1.25
    makes it 1.5 times.

    Args:
        xy: (17, 2) picture pixels, all joints.
    """
    low, high = xy.min(0).astype(float), xy.max(0).astype(float)
    side = np.where(high > low, high - low, 20.0)
    corner = low + side / 2 - 0.6 * side
    return float(corner[0]), float(corner[1]), float(1.2 * side[0]), float(1.2 * side[1])


def posefix_pixels(crops: Tensor) -> Tensor:
    """uint8 (N, h, w, 3) RGB to (N, 3, h, w): B, G, R less `MEAN`, not divided."""
    bgr = crops.float().permute(0, 3, 1, 2).flip(1)
    return bgr - torch.tensor(MEAN, device=crops.device).view(1, 3, 1, 1)


def pose_maps(xy: Tensor, valid: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """The pose as Gaussians of height 255 at full crop resolution; zeros for invalid joints.

    Args:
        xy: (N, 17, 2).
        valid: (N, 17) 0 or 1.
        size: (width, height) of the crop.
        sigma: in pixels.

    Returns:
        (N, 17, height, width).
    """
    across = torch.arange(size[0], dtype=xy.dtype, device=xy.device)
    down = torch.arange(size[1], dtype=xy.dtype, device=xy.device)
    dx2 = (across - xy[..., :1]).square()[:, :, None]  # (N, 17, 1, width)
    dy2 = (down - xy[..., 1:]).square()[..., None]
    return AMPLITUDE * (-(dx2 + dy2) / (2 * sigma**2)).exp() * valid[..., None, None]


def soft_argmax(logits: Tensor) -> Tensor:
    """(N, 17, H, W) to the expected cell (N, 17, 2) x, y under each map's softmax."""
    H, W = logits.shape[-2:]
    chance = logits.flatten(2).softmax(-1).reshape(logits.shape)
    across = torch.arange(W, dtype=logits.dtype, device=logits.device)
    down = torch.arange(H, dtype=logits.dtype, device=logits.device)
    return torch.stack(((chance.sum(2) * across).sum(-1), (chance.sum(3) * down).sum(-1)), -1)


def soft_one_hot(cells: Tensor, height: int, width: int) -> Tensor:
    """(N, 17, 2) cells as four corner shares (N, 17, H * W) that sum to 1, 0 if all lie outside.

    Corners outside the map are dropped and the rest is scaled up.
    """
    low = cells.floor()
    share = cells - low
    maps = cells.new_zeros(*cells.shape[:2], height * width)
    for right in (0, 1):
        for below in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + below
            part = (share[..., 0] if right else 1 - share[..., 0]) * (
                share[..., 1] if below else 1 - share[..., 1]
            )
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            cell = (y * width + x).long() * inside
            maps = maps.scatter_add(2, cell[..., None], (part * inside)[..., None])
    total = maps.sum(-1, keepdim=True)
    return maps / torch.where(total == 0, torch.ones_like(total), total)


def posefix_loss(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Sum of `posefix_losses`, 1:1 as released."""
    entropy, place = posefix_losses(logits, truth, valid)
    return entropy + place


def posefix_losses(logits: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy with the soft one-hot, and L1 of the soft-argmax: means over all joints.

    Args:
        logits: (N, 17, H, W).
        truth: (N, 17, 2) crop pixels.
        valid: (N, 17) 0 or 1; others add zeros to the means (the paper writes sums).
    """
    H, W = logits.shape[-2:]
    cells = truth / STRIDE
    entropy = -(soft_one_hot(cells, H, W) * functional.log_softmax(logits.flatten(2), -1)).sum(-1)
    error = (soft_argmax(logits) - cells).abs()
    return (entropy * valid).mean(), (error * valid[..., None]).mean()


class PoseFixGraph(nn.Module):
    """The exported refiner: uint8 crops (N, h, w, 3), poses (N, 17, 3) to refined (N, 17, 3).

    Confidences stay those of the input pose.

    Args:
        network: `PoseFix` or `CompactPoseFix`, trained.
        sigma: of the drawn pose, `SIGMA_BY_CROP_HEIGHT`.
        flip: whether to average with the mirror image's coordinates.
        unscored: what becomes of joints with confidence 0.
    """

    def __init__(
        self,
        network: nn.Module,
        sigma: float,
        flip: FlipTest,
        unscored: UnscoredJoints = UnscoredJoints.INVALID,
    ) -> None:
        super().__init__()
        self.network, self.sigma, self.flip, self.unscored = network, sigma, flip, unscored

    def forward(self, crops: Tensor, poses: Tensor) -> Tensor:
        """See the class."""
        pixels = posefix_pixels(crops)
        xy = self._refined(pixels, poses)
        if self.flip is FlipTest.AVERAGE:
            width = pixels.shape[3]
            back = _mirrored(self._refined(pixels.flip(3), _mirrored(poses, width)), width)
            xy = (xy + back) * 0.5
        return torch.cat((xy, poses[..., 2:]), -1)

    def _refined(self, pixels: Tensor, poses: Tensor) -> Tensor:
        scored = (poses[..., 2] > 0).to(pixels.dtype)
        valid = scored if self.unscored is UnscoredJoints.INVALID else torch.ones_like(scored)
        size = (pixels.shape[3], pixels.shape[2])
        drawn = pose_maps(poses[..., :2], valid, size, self.sigma)
        return soft_argmax(self.network(torch.cat((pixels, drawn), 1))) * STRIDE


def _mirrored(poses: Tensor, width: int) -> Tensor:
    """(N, 17, 2 or 3) to the mirror image of a crop: x to width - 1 - x, left and right swapped."""
    swapped = poses[:, list(FLIP_ORDER)]
    return torch.cat((width - 1 - swapped[..., :1], swapped[..., 1:]), -1)
