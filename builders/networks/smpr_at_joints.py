"""SMPR for small machines: cells guess poses, the best cells look again at the guessed joints.

As in SMPR, every cell of some levels says whether a person is there and where its joints are, and
each refined pose's OKS is predicted. What is otherwise: the trunk is MoveNet's and its centre and
offset maps are the first guess, to which the cells add; refinement and scoring are done at the best
cells alone, on windows about the joints (`smpr_second_look`), instead of at all of them with a
deformable convolution; the network may look at the canvas in two sizes, as SMPR's multi-scale test
does with pictures. A person's score is the predicted OKS times the square root of the chance that
somebody is there; SMPR takes their product, which ranks a little worse here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from builders.networks.centre_sampling import best_cells, flat, level_points
from builders.networks.compact_pyramid import NORM_GROUPS, STRIDES, CompactPyramid, compact_pixels
from builders.networks.mobilenet_fpn import TrunkMaps
from builders.networks.smpr import (
    JOINTS,
    LevelScale,
    NormedConvolution,
    head_output,
    through,
)
from builders.networks.smpr_second_look import STRIDE, FineMaps, SecondLook

CANDIDATES = 32
"""Of each size of the canvas."""


@dataclass(frozen=True, slots=True, eq=False)
class CellMaps:
    """What the cells say; of all levels together, P cells, finest level first."""

    person: Tensor
    """(B, P) logits."""
    guessed: Tensor
    """(B, P) logits of the first guess alone."""
    poses: Tensor
    """(B, P, 17, 2) px from the middle of the canvas."""
    features: Tensor
    """(B, P, C) of the person branch."""
    peaks: Tensor
    """(B, P) chance of a person where no neighbour's is higher, else 0."""
    fine: FineMaps


@dataclass(frozen=True, slots=True, eq=False)
class JudgedPoses:
    """Poses of M cells."""

    steps: list[Tensor]
    """(B, M, 17, 2) px from the middle: the guess, then after each look."""
    person: Tensor
    """(B, M) logits."""
    joints: Tensor
    """(B, M, 17) logits of each joint's own term of the OKS."""
    similarity: Tensor
    """(B, M) logits of the last pose's OKS."""


class SmprAtJoints(nn.Module):
    """Trunk, levels, cells and second look.

    Args:
        channels: of the levels and of the cells' branches; a multiple of 16.
        convolutions: of each branch.
    """

    def __init__(self, channels: int = 64, convolutions: int = 1) -> None:
        super().__init__()
        self.pyramid = CompactPyramid(channels)
        self.person_branch, self.pose_branch = (
            nn.ModuleList(
                NormedConvolution(channels, channels, NORM_GROUPS) for _ in range(convolutions)
            )
            for _ in range(2)
        )
        self.person = head_output(channels, 1)
        self.pose = head_output(channels, 2 * JOINTS)
        self.trust = nn.ModuleList(LevelScale() for _ in STRIDES)
        self.reach = nn.ModuleList(LevelScale() for _ in STRIDES)
        self.second_look = SecondLook(channels)

    def cells(self, trunk: TrunkMaps) -> CellMaps:
        """All cells' answers, of what the trunk found."""
        heat, centre, regress = self.pyramid.first(trunk.p2)
        levels = self.pyramid.levels(trunk, (heat, centre, regress)).features
        made = [
            self._level(index, level, guess(centre, regress, STRIDES[index]))
            for index, level in enumerate(levels)
        ]
        person, guessed, poses, features = (flat(each) for each in zip(*made, strict=True))
        fine = FineMaps(heat, trunk.p2)
        peaks = flat([only_peaks(each[0]) for each in made])[..., 0]
        poses = poses.reshape(*poses.shape[:2], JOINTS, 2)
        return CellMaps(person[..., 0], guessed[..., 0], poses, features, peaks, fine)

    def _level(
        self, index: int, level: Tensor, first: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = through(self.person_branch, level)
        guessed = self.trust[index](first[0])
        person = guessed + self.person(features)
        pose = first[1] + self.reach[index](self.pose(through(self.pose_branch, level)))
        H, W = level.shape[-2:]
        stride = STRIDES[index]
        points = from_middle(H, W, stride, level)
        return person, guessed, pose * stride + points.repeat(1, JOINTS, 1, 1), features

    def look(self, maps: CellMaps, cells: Tensor) -> JudgedPoses:
        """Looks again at the poses of some cells, (B, M) indices."""
        first = _taken(maps.poses.flatten(2), cells).reshape(*cells.shape, JOINTS, 2)
        first = first.detach()
        person = maps.person.gather(1, cells)
        features = _taken(maps.features, cells)
        steps, joints, similarity = self.second_look(maps.fine, first, person, features)
        return JudgedPoses([first, *steps], person, joints, similarity)


class SmprAtJointsGraph(nn.Module):
    """The exported model: canvas uint8 (B, H, W, 3) RGB in, keypoints and scores out.

    Sides of the canvas are multiples of 32 times the largest of `shrink`.

    Args:
        network: trained.
        shrink: the network sees the canvas divided by each of these.
    """

    def __init__(self, network: SmprAtJoints, shrink: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.network, self.shrink = network, shrink

    def forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, M, 17, 3) canvas px and confidence; scores (B, M), 0 for no person.

        M is 32 per size.
        """
        pixels = compact_pixels(canvas)
        found = [self._at(pixels, factor) for factor in self.shrink]
        if len(found) == 1:  # joining one would leave outputs whose names OpenVINO does not keep
            return found[0]
        keypoints, scores = zip(*found, strict=True)
        return torch.cat(keypoints, 1), torch.cat(scores, 1)

    def _at(self, pixels: Tensor, factor: int) -> tuple[Tensor, Tensor]:
        seen = pixels if factor == 1 else functional.avg_pool2d(pixels, factor)
        maps = self.network.cells(self.network.pyramid.trunk.maps(seen))
        chance, cells = best_cells(maps.peaks, CANDIDATES)
        judged = self.network.look(maps, cells)
        middle = maps.fine.middle_px
        x, y = ((judged.steps[-1][..., axis] + middle[axis] + 0.5) * factor for axis in range(2))
        H, W = seen.shape[-2:]
        x, y = x.clamp(min=0.5).clamp(max=W * factor - 0.5), y.clamp(min=0.5)
        y = y.clamp(max=H * factor - 0.5)
        scores = chance.sqrt() * judged.similarity.sigmoid()  # 0 for what only fills up
        return torch.stack((x - 0.5, y - 0.5, judged.joints.sigmoid()), -1), scores


def guess(centre: Tensor, regress: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """What MoveNet's maps say at the cells of a level.

    Offsets are good where centres peak: a cell takes the mean of those within 1.5 strides, weighted
    by their squared centre value.

    Args:
        centre: (B, 1, H, W) in [0, 1] at stride 4.
        regress: (B, 34, H, W): joint minus stride-4 cell, (y, x) of each, in those cells.
        stride: of the level.

    Returns:
        (B, 1, h, w) logits of a person, and (B, 34, h, w) joint minus point, (x, y), in strides.
    """
    block = stride // STRIDE
    highest = functional.max_pool2d(centre, 2 * block, block, block // 2).clamp(1e-4, 1 - 1e-4)
    weight = (centre + 0.01).square()
    total = functional.avg_pool2d(weight, 3 * block, block, block)
    moved = functional.avg_pool2d(weight * regress, 3 * block, block, block) / total
    B, _, H, W = moved.shape
    moved = moved.reshape(B, JOINTS, 2, H, W).flip(2) * STRIDE
    apart = functional.conv2d(weight, _window_offsets(block, centre), None, block, block)
    apart = (apart / total)[:, None]  # (B, 1, 2, H, W) px, where those cells lie from the point
    pose = ((moved + apart) / stride).reshape(B, 2 * JOINTS, H, W)
    return highest.log() - (1 - highest).log(), pose


def _window_offsets(block: int, like: Tensor) -> Tensor:
    """(2, 1, 3 block, 3 block) x, y of a window's stride-4 cells from the level's point, in px.

    Divided by the number of cells: the convolution with it is a mean.
    """
    along = torch.arange(3 * block, dtype=like.dtype, device=like.device)
    along = STRIDE * (along - block) + 1.5 - STRIDE * block // 2
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack((x, y))[:, None] / (9 * block * block)


def only_peaks(logits: Tensor) -> Tensor:
    """(B, 1, H, W) to the chances where no neighbour's is higher, 0 elsewhere."""
    chance = logits.sigmoid()
    highest = functional.max_pool2d(chance, 3, 1, 1)
    return torch.where(highest == chance, chance, torch.zeros_like(chance))


def from_middle(height: int, width: int, stride: int, like: Tensor) -> Tensor:
    """(1, 2, height, width) x, y of a level's points as `FineMaps.middle_px` counts."""
    points = level_points(height, width, stride, like)
    x = points[:, 0] - stride * width / 2
    y = points[:, 1] - stride * height / 2
    return torch.stack((x, y)).reshape(1, 2, height, width)


def _taken(values: Tensor, cells: Tensor) -> Tensor:
    """(B, P, C) and (B, M) indices to (B, M, C)."""
    return values.gather(1, cells[..., None].expand(-1, -1, values.shape[2]))
