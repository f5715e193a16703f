"""DEKR's maps to poses of one picture; source: HRNet/DEKR (`core/inference.py`, `core/nms.py`).

Different from HGG: poses are one if more than eight joints lie within a share of the pose's
diagonal, ranked by their mean heat; joints are not absorbed; other sizes count nearly as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.networks.hgg_decode import JOINTS, Array, People, ScaleArrays, centre_peaks, grouped

MULTI_SCALE_SAME_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class DekrDecodeSettings:
    """As released."""

    people: int = 30
    lowest: float = 0.01
    same_joints: int = 8
    same_share: float = 0.05
    """Of the pose's diagonal; 0.15 with several sizes."""
    other_scales: float = 0.9


def dekr_decode(
    scales: Sequence[ScaleArrays], base: int, heat: Array, settings: DekrDecodeSettings
) -> People:
    """Poses of all sizes without doubles.

    Args:
        scales: every size of the picture.
        base: which of them is scale 1.
        heat: (17, H, W) fused joint maps at full resolution.
        settings: thresholds.
    """
    poses, centres = _all_poses(scales, base, heat.shape[2], settings)
    own = heat_at(heat, poses)
    kept = grouped(_same(poses, settings), own.mean(1))
    if len(kept) > settings.people:
        kept = kept[np.argsort(-own[kept].mean(1), kind="stable")[: settings.people]]
    return People(poses[kept], centres[kept][:, None] * own[kept], centres[kept])


def _all_poses(
    scales: Sequence[ScaleArrays], base: int, width: int, settings: DekrDecodeSettings
) -> tuple[Array, Array]:
    found = []
    for scale in scales:
        cells, value = centre_peaks(scale.centre, settings.lowest, settings.people)
        joints = scale.pose.reshape(2 * JOINTS, -1)[:, cells].T.reshape(-1, JOINTS, 2)
        found.append((joints * (width / scale.centre.shape[1]), value))
    highest = found[base][1].max(initial=0.0) or 1.0
    for index, (joints, value) in enumerate(found):
        if index != base and len(value):
            found[index] = (joints, value / value.max() * highest * settings.other_scales)
    return np.concatenate([joints for joints, _ in found]), np.concatenate([v for _, v in found])


def _same(poses: Array, settings: DekrDecodeSettings) -> NDArray[np.bool_]:
    """(N, N): row n by the diagonal of pose n."""
    sides = np.ptp(poses, axis=1)
    near = settings.same_share * np.hypot(sides[:, 0], sides[:, 1])
    apart = np.linalg.norm(poses[:, None] - poses[None], axis=-1)
    same: NDArray[np.bool_] = (apart < near[:, None, None]).sum(-1) > settings.same_joints
    return same


def heat_at(heat: Array, poses: Array) -> Array:
    """(N, 17) each joint's map at the cell its place falls into, cut to the map."""
    _, H, W = heat.shape
    x = np.clip(np.floor(poses[..., 0]), 0, W - 1).astype(int)
    y = np.clip(np.floor(poses[..., 1]), 0, H - 1).astype(int)
    values: Array = heat[np.arange(JOINTS), y, x]
    return values
