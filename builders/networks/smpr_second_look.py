"""Looks again at each guessed joint: the joint map of a window about it says where the joint is.

What SMPR's feature adaption does at every cell, with a deformable convolution that its first guess
steers, is done here at the best cells alone, one window a joint, sized by the person. A soft
maximum of the window's heat moves the joint; what is learnt corrects it, and says how good the
joint and the whole pose will be (the paper's pose scoring, taught by the true OKS).

Coordinates count from the middle of the canvas: engines that compute in bf16 keep those finer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.mobilenet_fpn import P2_CHANNELS
from stream.skeleton import COCO_17

JOINTS = 17
STRIDE = 4
"""Of the joint maps and of P2; map cell i lies at canvas pixel 4 i + 1.5."""
SIDE = 5
TAPS = SIDE * SIDE
SPACINGS = (0.06, 0.025)
"""Of each look: what lies between two taps, as a share of the person's larger box side."""
LEAST_SPACING_PX = 1.5
SHARPNESS = 8.0
"""Of the soft maximum, over heat in [0, 1]."""
SIMILAR_TAPS = 2.0
"""Sigma of its preference for the middle, in taps."""


@dataclass(frozen=True, slots=True, eq=False)
class FineMaps:
    """What windows are taken from, at stride 4."""

    heat: Tensor
    """(B, 17, H, W) in [0, 1]."""
    features: Tensor
    """(B, 24, H, W) P2."""

    @property
    def middle_px(self) -> tuple[float, float]:
        """x, y of the pixel right of and below the middle of the canvas, which all px count from.

        Cells then lie at multiples of 4, which bf16 holds exactly.
        """
        H, W = self.heat.shape[-2:]
        return STRIDE * W / 2, STRIDE * H / 2


class Look(nn.Module):
    """One look at all joints of all poses.

    Args:
        spacing: of taps, as a share of the person's size.
        hidden: channels of a joint.
    """

    grid: Tensor
    """(25, 2) x, y of the taps, in spacings."""

    def __init__(self, spacing: float, hidden: int) -> None:
        super().__init__()
        self.spacing, self.hidden = spacing, hidden
        taps = torch.arange(SIDE, dtype=torch.float32) - SIDE // 2
        y, x = torch.meshgrid(taps, taps, indexing="ij")
        grid = torch.stack((x, y), -1).reshape(TAPS, 2)
        self.register_buffer("grid", grid, persistent=False)
        self.sharpness = nn.Parameter(torch.full((JOINTS, 1), SHARPNESS))
        self.prior = nn.Parameter(
            (-0.5 * grid.square().sum(-1) / SIMILAR_TAPS**2).repeat(JOINTS, 1)
        )
        self.window = nn.Linear(2 * TAPS + P2_CHANNELS, hidden)
        self.whole = nn.Linear(3 * JOINTS, JOINTS * hidden)
        self.out = nn.Linear(hidden, TAPS + 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, maps: FineMaps, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (B, M, 17, 2), px from the middle, to moved ones and (B, M, 17, hidden)."""
        step = (person_size(poses) * self.spacing).clamp(min=LEAST_SPACING_PX)  # (B, M, 1, 1)
        taps = poses[..., None, :] + self.grid * step[..., None]  # (B, M, 17, 25, 2)
        heat = window_heat(maps, taps)  # (B, M, 17, 50)
        own = heat[..., :TAPS]
        window = self.window(torch.cat((heat, features_at(maps, poses)), -1))
        known = torch.cat((shape_of(poses), own[..., TAPS // 2]), -1)  # (B, M, 51)
        whole = self.whole(known).reshape(*poses.shape[:3], self.hidden)
        hidden = functional.relu(window + whole)
        out = self.out(hidden)
        weight = (own * self.sharpness + self.prior + out[..., :TAPS]).softmax(-1)
        moved = (weight[..., None] * self.grid).sum(-2) + out[..., TAPS:]
        return poses + moved * step, hidden


class SecondLook(nn.Module):
    """Two looks, the second one closer, and what they make of joints and pose.

    Args:
        channels: of the cell's features.
        hidden: channels of a joint.
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.looks = nn.ModuleList(Look(spacing, hidden) for spacing in SPACINGS)
        self.joint = nn.Linear(hidden + 2, 1)
        self.judge = nn.Sequential(
            nn.Linear(channels + 6 * JOINTS + 1, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(
        self, maps: FineMaps, first: Tensor, person: Tensor, cell: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Refines poses and judges them.

        Args:
            maps: of the canvas.
            first: (B, M, 17, 2) px from the middle.
            person: (B, M) logits of the cells.
            cell: (B, M, channels).

        Returns:
            The poses after each look, logits (B, M, 17) of the joints' own terms of the OKS, and
            logits (B, M) of the pose's OKS.
        """
        poses, hidden = [first], first
        for look in self.looks:
            moved, hidden = look(maps, poses[-1])
            poses.append(moved)
        last = poses[-1]
        heat = window_heat(maps, last[..., None, :])  # (B, M, 17, 2)
        joints = self.joint(torch.cat((hidden, heat), -1))[..., 0]
        far = (last - first).square().sum(-1).add(1e-6).sqrt() / person_size(first)[..., 0]
        known = (cell, shape_of(last), heat.flatten(2), joints, far, person[..., None])
        return poses[1:], joints, self.judge(torch.cat(known, -1))[..., 0]


def person_size(poses: Tensor) -> Tensor:
    """(B, M, 17, 2) to the larger side of the joints' box, (B, M, 1, 1), at least two cells."""
    sides = poses.amax(2) - poses.amin(2)
    size: Tensor = sides.amax(-1)[..., None, None].clamp(min=2.0 * STRIDE)
    return size


def shape_of(poses: Tensor) -> Tensor:
    """(B, M, 17, 2) to (B, M, 34): joints from their mean, in sizes."""
    from_mean = (poses - poses.mean(2, keepdim=True)) / person_size(poses)
    return from_mean.flatten(2)


def window_heat(maps: FineMaps, taps: Tensor) -> Tensor:
    """Heat of each joint's own map, then of its mirrored joint's, at taps.

    Args:
        maps: of the canvas.
        taps: (B, M, 17, T, 2) px from the middle.

    Returns:
        (B, M, 17, 2 T); 0 outside the canvas.
    """
    B, K, H, W = maps.heat.shape
    M, T = taps.shape[1], taps.shape[3]
    pairs = torch.stack((maps.heat, maps.heat[:, COCO_17.flip_order().tolist()]), 2)
    grid = _grid(maps, taps).permute(0, 2, 1, 3, 4).reshape(B * K, M, T, 2)
    found = functional.grid_sample(
        pairs.reshape(B * K, 2, H, W), grid, "bilinear", "zeros", align_corners=False
    )
    return found.reshape(B, K, 2, M, T).permute(0, 3, 1, 2, 4).flatten(3)


def features_at(maps: FineMaps, poses: Tensor) -> Tensor:
    """(B, M, 17, 24) P2 at the joints (B, M, 17, 2)."""
    found = functional.grid_sample(
        maps.features, _grid(maps, poses), "bilinear", "zeros", align_corners=False
    )
    return found.permute(0, 2, 3, 1)


def _grid(maps: FineMaps, places: Tensor) -> Tensor:
    """Places (..., 2) in px from the middle to shares of half a side, as grid_sample wants them."""
    H, W = maps.heat.shape[-2:]
    # Scalars, not a tensor of two: a traced export must not bake in the sides of its example.
    x = (places[..., 0] + 0.5) * (2.0 / (STRIDE * W))
    y = (places[..., 1] + 0.5) * (2.0 / (STRIDE * H))
    return torch.stack((x, y), -1)
