"""Graph-PCNN: a second stage that moves each keypoint, with its neighbours' help.

Source: Wang et al., "Graph-PCNN: Two Stage Human Pose Estimation with Graph Pose Refinement" (ECCV
2020), from the paper alone (no code was published); what it leaves open is marked "ours". All
coordinates are heatmap cells.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.heatmap_decode import FLIP_ORDER, PeakFinder, flip_average, peaks
from builders.networks.heatmap_network import HeatmapNetwork
from stream.skeleton import COCO_17

JOINTS = 17
RELIABLE_HEAT = 0.85
"""xi: in tests a neighbour counts if the heat at its guided point is above."""

EDGES = tuple((joint, joint) for joint in range(JOINTS)) + tuple(
    edge for a, b in COCO_17.limbs for edge in ((a, b), (b, a))
)
"""(from, to) of the linear maps: every joint to itself, then COCO's 19 sticks both ways (ours)."""


@dataclass(frozen=True, slots=True, eq=False)
class GuidedPoints:
    """N points of every joint, and what the first stage says of them."""

    xy: Tensor
    """(B, N, 17, 2) cells; the n-th points of all joints form a graph."""
    heat: Tensor
    """(B, N, 17) of the joint's own map."""
    reliable: Tensor
    """(B, N, 17) 1 where the point may help its neighbours, else 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """What the second stage says of guided points."""

    logits: Tensor
    """(B, N, 17, 2): background, keypoint."""
    offset: Tensor
    """(B, N, 17, 2) x, y from the guided point to the keypoint."""


def sample(maps: Tensor, xy: Tensor) -> Tensor:
    """(B, C, H, W) bilinearly at (B, M, 2) cells, integers on cell centres: (B, M, C)."""
    H, W = maps.shape[-2:]
    size = torch.tensor([W, H], dtype=xy.dtype, device=xy.device)
    grid = ((2 * xy + 1) / size - 1)[:, :, None]
    values = functional.grid_sample(maps, grid, "bilinear", "zeros", align_corners=False)
    return values[..., 0].transpose(1, 2)


def sample_own(heat: Tensor, xy: Tensor) -> Tensor:
    """(B, 17, H, W) at (B, N, 17, 2): each joint's own map at its points, (B, N, 17)."""
    B, N, K = xy.shape[:3]
    own = xy.transpose(1, 2).reshape(B * K, N, 2)
    values = sample(heat.reshape(B * K, 1, *heat.shape[2:]), own)
    return values.reshape(B, K, N).transpose(1, 2)


class GraphPoseRefinement(nn.Module):
    """Mixes a pose's 17 features along the skeleton, then classifies and moves every point.

    g_k = sum over k' of w_k' T_{k'->k}(f_k') / sum of w; w is 1 for the joint itself, else the
    neighbour's heat if it is reliable. An unreliable neighbourhood leaves a plain linear layer.

    Args:
        channels: C of the features.
        hidden: width of the head's two layers, per joint.
    """

    to_joint: Tensor
    is_self: Tensor

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        count = len(EDGES)
        self.transforms = GroupLinear(count, channels, channels)
        self.head = nn.Sequential(
            *_layer(channels, hidden), *_layer(hidden, hidden), _per_joint(hidden, 4)
        )
        to_joint = torch.tensor(
            [[float(to == joint) for _, to in EDGES] for joint in range(JOINTS)]
        )
        self.register_buffer("to_joint", to_joint, persistent=False)
        is_self = torch.tensor([float(source == to) for source, to in EDGES])
        self.register_buffer("is_self", is_self, persistent=False)

    def forward(self, features: Tensor, heat: Tensor, reliable: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (M, 17, C), (M, 17), (M, 17) to logits (M, 17, 2) and offsets (M, 17, 2)."""
        mixed = self.mixed(features, heat, reliable)
        out = self.head(mixed.flatten(1)[..., None]).reshape(-1, JOINTS, 4)
        return out[..., :2], out[..., 2:]

    def mixed(self, features: Tensor, heat: Tensor, reliable: Tensor) -> Tensor:
        """g: (M, 17, C)."""
        sources = [source for source, _ in EDGES]
        M, _, C = features.shape
        moved = self.transforms(features[:, sources].reshape(M, -1, 1)).reshape(M, len(EDGES), C)
        weight = (heat * reliable)[:, sources]
        weight = self.is_self + (1 - self.is_self) * weight  # (M, E)
        total = self.to_joint @ (moved * weight[..., None])  # (M, 17, C)
        mean: Tensor = total / (weight @ self.to_joint.t())[..., None]
        return mean


class GraphPcnn(nn.Module):
    """A heatmap network, a copy of its last stage for point features, and the refinement.

    Args:
        stage1: the heatmap network; its usual checkpoint loads into `stage1`.
        hidden: width of the refinement's head; the paper does not say, C by default (ours).
        second: instead of the copy (ours): what `stage1.shared` gives to features (B, C, H/4, W/4).
        channels: C of these.
        find_peaks: where the second stage begins; the paper's by default.
    """

    def __init__(
        self,
        stage1: HeatmapNetwork,
        hidden: int | None = None,
        *,
        second: nn.Module | None = None,
        channels: int | None = None,
        find_peaks: PeakFinder = peaks,
    ) -> None:
        super().__init__()
        self.stage1, self.find_peaks = stage1, find_peaks
        self.second = second or stage1.copy_of_last_stage()
        channels = channels or stage1.feature_channels
        self.refinement = GraphPoseRefinement(channels, hidden or channels)

    def copy_last_stage(self) -> None:
        """Starts the point features from the heatmap network's present weights."""
        self.second = self.stage1.copy_of_last_stage()

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) normalised to heatmaps (B, 17, H/4, W/4) and features (B, C, H/4, W/4)."""
        shared = self.stage1.shared(pixels)
        return self.stage1.heat(shared), self.second(shared)

    def refine(self, features: Tensor, points: GuidedPoints) -> Refinement:
        """The second stage at given points of features (B, C, H, W)."""
        B, N, K = points.xy.shape[:3]
        sampled = sample(features, points.xy.reshape(B, N * K, 2)).reshape(B * N, K, -1)
        weights = (points.heat.reshape(B * N, K), points.reliable.reshape(B * N, K))
        logits, offset = self.refinement(sampled, *weights)
        return Refinement(logits.reshape(B, N, K, 2), offset.reshape(B, N, K, 2))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) to refined keypoints (B, 17, 2) in cells and first-stage heats (B, 17)."""
        heat, features = self.maps(pixels)
        points, value = peak_points(heat, self.find_peaks)
        return (points.xy + self.refine(features, points).offset)[:, 0], value

    def flip_forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with the flip test (ours: the paper does not say where stage 2 sees it).

        Heatmaps are averaged as usual and decoded once; the second stage then looks at the point in
        the crop and at its mirror point in the mirrored crop, and both offsets are averaged.
        """
        heat, features = self.maps(pixels)
        heat_of_mirror, features_of_mirror = self.maps(pixels.flip(3))
        points, value = peak_points(flip_average(heat, heat_of_mirror), self.find_peaks)
        offset = self.refine(features, points).offset
        back = self.refine(features_of_mirror, mirror_points(points, heat.shape[3])).offset
        back = back[:, :, list(FLIP_ORDER)] * torch.tensor([-1.0, 1.0]).to(back)
        return (points.xy + (offset + back) / 2)[:, 0], value


def shortened(network: GraphPcnn, share: float) -> GraphPcnn:
    """A copy whose offsets are only a share of what they were (ours)."""
    other = copy.deepcopy(network)
    last = other.refinement.head[-1]
    with torch.no_grad():
        for values in last.parameters():
            values.reshape(JOINTS, 4, -1)[:, 2:] *= share
    return other


def peak_points(heat: Tensor, find_peaks: PeakFinder = peaks) -> tuple[GuidedPoints, Tensor]:
    """One guided point per joint: the peak between the cells; and the peak values (B, 17)."""
    xy, value = find_peaks(heat)
    xy = xy[:, None]
    own = sample_own(heat, xy)
    return GuidedPoints(xy, own, is_reliable(own)), value


def is_reliable(heat: Tensor) -> Tensor:
    """1 where a joint with that heat at its guided point may help its neighbours, else 0."""
    return (heat > RELIABLE_HEAT).to(heat.dtype)


def mirror_points(points: GuidedPoints, width: int) -> GuidedPoints:
    """The same points in the mirrored crop: left and right change places, x to width - 1/4 - x.

    The quarter comes from stride 4: crop pixel W - 1 - 4 x is cell W / 4 - 1 / 4 - x.
    """
    order = list(FLIP_ORDER)
    x, y = points.xy[:, :, order].unbind(-1)
    return GuidedPoints(
        torch.stack((width - 0.25 - x, y), -1),
        points.heat[:, :, order],
        points.reliable[:, :, order],
    )


class GroupLinear(nn.Conv1d):
    """Separate linear layers side by side, a grouped 1x1 convolution by its keys and its export.

    Training multiplies matrices group by group instead: many poses, where grouped convolutions of
    length 1 are several times slower.

    Args:
        count: of the layers.
        inputs: of each.
        outputs: of each.
    """

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__(count * inputs, count * outputs, 1, groups=count)

    def forward(self, x: Tensor) -> Tensor:
        """(M, count * inputs, 1) to (M, count * outputs, 1)."""
        if not self.training or self.bias is None:
            return super().forward(x)
        weight = self.weight.reshape(self.groups, -1, self.weight.shape[1])
        by_group = x.reshape(len(x), self.groups, -1).transpose(0, 1)
        bias = self.bias.reshape(self.groups, 1, -1)
        moved = torch.baddbmm(bias, by_group, weight.transpose(1, 2))
        return moved.transpose(0, 1).reshape(len(x), -1, 1)


def _per_joint(inputs: int, outputs: int) -> GroupLinear:
    """17 separate linear layers."""
    return GroupLinear(JOINTS, inputs, outputs)


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return _per_joint(inputs, outputs), nn.BatchNorm1d(JOINTS * outputs), nn.ReLU()
