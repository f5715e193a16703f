"""HGG's maps to poses of one picture: centres, regressed poses, absorption into peaks, adjustment.

Source: released code (`core/group.py`), in the pixels of the network's input at scale 1. Done
otherwise, with a switch where published figures could depend on it: the heat of a joint without a
candidate is read at its place (the code swaps x and y); windows at the border are fitted properly;
only local maxima are candidates (the code fills up with arbitrary cells without heat).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
JOINTS = 17


class LonelyHeat(Enum):
    """Where the heat of a joint without a candidate is read."""

    OWN = "at its place"
    SWAPPED = "at [x, y] instead of [y, x], as the released code does"


@dataclass(frozen=True, slots=True)
class HggDecodeSettings:
    """As released; distances in input pixels."""

    people: int = 30
    lowest: float = 0.01
    """Centres must be above; joint peaks below count as 0."""
    same_joints: int = 10
    """Two poses are one if more joints than this are near each other."""
    same_distance: float = 10.0
    absorb_distance: float = 75.0
    absorb_window: int = 5
    adjust_above: float = 0.05
    adjust_reach: int = 6
    adjust_sigma: float = 2.0
    adjust_evaluations: int = 300
    other_scales: float = 1e-3
    """Factor of centres of sizes other than 1: they only fill gaps."""
    lonely: LonelyHeat = LonelyHeat.OWN


@dataclass(frozen=True, slots=True, eq=False)
class ScaleArrays:
    """`ScaleMaps` of one picture."""

    centre: Array
    """(h, w)."""
    pose: Array
    """(34, h, w) x, y of each joint in cells."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """N people, best centre first until scored."""

    keypoints: Array
    """(N, 17, 2) input pixels."""
    values: Array
    """(N, 17) how sure each joint is."""
    centres: Array
    """(N,) heat of each centre."""

    @property
    def scores(self) -> Array:
        """(N,) the mean of the joints' values; HGG's scoring net multiplies it."""
        means: Array = self.values.mean(1)
        return means


def decode(
    scales: Sequence[ScaleArrays], base: int, heat: Array, settings: HggDecodeSettings
) -> People:
    """Poses with absorption and adjustment.

    Args:
        scales: every size of the picture.
        base: which of them is scale 1.
        heat: (17, H, W) fused joint maps at full resolution.
        settings: thresholds.
    """
    found = regressed(scales, base, heat.shape[2], settings)
    return adjusted(absorbed(found, heat, settings), heat, settings)


def decode_regression(
    scales: Sequence[ScaleArrays], base: int, heat: Array, settings: HggDecodeSettings
) -> People:
    """Regressed poses alone; a joint's value is its centre times the bilinear heat at its place."""
    found = regressed(scales, base, heat.shape[2], settings)
    own = np.stack([bilinear(heat[k], found.keypoints[:, k]) for k in range(JOINTS)], 1)
    return People(found.keypoints, found.centres[:, None] * own, found.centres)


def regressed(
    scales: Sequence[ScaleArrays], base: int, width: int, settings: HggDecodeSettings
) -> People:
    """Poses at the centres of all sizes, without doubles.

    Args:
        scales: every size.
        base: which is scale 1; the others' centres are scaled to its highest, then made small.
        width: of the input at scale 1, in pixels.
        settings: thresholds.
    """
    highest = scales[base].centre.max()
    keypoints, values = [], []
    for index, scale in enumerate(scales):
        factor = 1.0 if index == base else settings.other_scales
        own = scale.centre.max()
        centre = factor * scale.centre / (own if own > 0 else np.inf) * highest
        cells, heat = centre_peaks(centre, settings.lowest * factor, settings.people)
        joints = scale.pose.reshape(2 * JOINTS, -1)[:, cells].T.reshape(-1, JOINTS, 2)
        keypoints.append(joints * (width / scale.centre.shape[1]))
        values.append(heat)
    poses, centres = np.concatenate(keypoints), np.concatenate(values)
    kept = without_doubles(poses, centres, settings)
    if len(kept) > settings.people:
        kept = kept[np.argsort(-centres[kept], kind="stable")[: settings.people]]
    sure = np.repeat(centres[kept][:, None], JOINTS, 1)
    return People(poses[kept], sure, centres[kept])


def centre_peaks(centre: Array, lowest: float, most: int) -> tuple[Indices, Array]:
    """Flat cells and heats of the highest local maxima above `lowest`, highest first.

    The window is 7 cells on maps whose sides average above 300, 5 above 200, else 3.
    """
    mean_side = sum(centre.shape) / 2
    window = 7 if mean_side > 300 else 5 if mean_side > 200 else 3
    return _peaks(centre, window, lowest, most)


def _peaks(heat: Array, window: int, lowest: float, most: int) -> tuple[Indices, Array]:
    highest = ndimage.maximum_filter(heat, window, mode="constant", cval=-np.inf)
    cells = np.flatnonzero((heat == highest) & (heat > lowest))
    values = heat.ravel()[cells]
    order = np.argsort(-values, kind="stable")[:most]
    return cells[order], values[order]


def without_doubles(poses: Array, scores: Array, settings: HggDecodeSettings) -> Indices:
    """Indices of one pose per group, in the order in which the groups are met.

    A group is a pose and all that share more than ten near joints with it; its highest centre
    stays, unless that pose was already in an earlier group.
    """
    apart = np.linalg.norm(poses[:, None] - poses[None], axis=-1)
    same = (apart < settings.same_distance).sum(-1) > settings.same_joints
    return grouped(same, scores)


def grouped(same: NDArray[np.bool_], scores: Array) -> Indices:
    """Indices of the highest score of each group; `same` (N, N) says who is like whom."""
    settled = np.zeros(len(scores), bool)
    kept = []
    for pose in range(len(scores)):
        if settled[pose]:
            continue
        group = np.flatnonzero(same[pose])
        if not len(group):  # a pose that is not even like itself: joints at infinity
            continue
        best = int(group[scores[group].argmax()])
        if not settled[best]:
            kept.append(best)
            settled[group] = True
    return np.array(kept, np.intp)


def absorbed(found: People, heat: Array, settings: HggDecodeSettings) -> People:
    """Every joint goes to the nearest peak of its map within 75 px; its value is that peak's heat.

    Peaks under 0.01 still attract, with value 0 (the paper says they are removed).
    """
    keypoints, values = found.keypoints.copy(), found.values.copy()
    for joint in range(JOINTS):
        cells, peak = _peaks(heat[joint], settings.absorb_window, 0.0, settings.people)
        peak = np.where(peak > settings.lowest, peak, 0.0)
        at = np.stack((cells % heat.shape[2], cells // heat.shape[2]), -1).astype(np.float64)
        apart = np.linalg.norm(keypoints[:, joint, None] - at[None], axis=-1)  # (N, P)
        apart = np.concatenate((apart, np.full((len(apart), 1), np.inf)), 1)
        nearest = apart.argmin(1)
        near = apart.min(1) < settings.absorb_distance
        alone = _lonely_heat(heat[joint], keypoints[:, joint], settings.lonely)
        values[near, joint] *= peak[nearest[near]]
        values[~near, joint] *= alone[~near]
        keypoints[near, joint] = at[nearest[near]]
    return People(keypoints, values, found.centres)


def _lonely_heat(heat: Array, at: Array, lonely: LonelyHeat) -> Array:
    """(N,) heat at (N, 2) x, y, cut to whole cells of the map."""
    first, second = at.astype(int).T[:: -1 if lonely is LonelyHeat.OWN else 1]
    rows, columns = (limit - 1 for limit in heat.shape)
    values: Array = heat[np.clip(first, 0, rows), np.clip(second, 0, columns)]
    return values


def adjusted(found: People, heat: Array, settings: HggDecodeSettings) -> People:
    """Sure joints go to the centre of a Gaussian fitted to the heat around them.

    Joints on the border stay, as do those whose fit fails or leaves its window.
    """
    keypoints, values = found.keypoints.copy(), found.values.copy()
    for person, joint in np.argwhere(found.values > settings.adjust_above):
        fit = fitted_peak(heat[joint], keypoints[person, joint], settings)
        if fit is not None:
            keypoints[person, joint] = fit[:2]
            values[person, joint] = fit[2] * found.centres[person]
    return People(keypoints, values, found.centres)


def fitted_peak(heat: Array, at: Array, settings: HggDecodeSettings) -> Array | None:
    """x, y and height of A exp(-r^2 / 2 s^2) fitted about a point; None if that fails.

    Args:
        heat: (H, W).
        at: (2,) x, y.
        settings: window, start and number of evaluations.
    """
    H, W = heat.shape
    x, y = (int(value + 0.5) for value in at)
    if not (0 < x < W - 1 and 0 < y < H - 1):
        return None
    reach = settings.adjust_reach
    left, top = max(0, x - reach), max(0, y - reach)
    window = heat[top : min(H, y + reach + 1), left : min(W, x + reach + 1)]
    down, across = np.mgrid[: window.shape[0], : window.shape[1]]

    def misfit(guess: Array) -> Array:
        height, cx, cy, sigma = guess
        bell = np.exp(-((across - cx) ** 2 + (down - cy) ** 2) / (2 * sigma**2))
        gap: Array = (height * bell - window).ravel()
        return gap

    start = np.array([heat[y, x], x - left, y - top, settings.adjust_sigma])
    with np.errstate(all="ignore"):
        fit, _, _, _, status = optimize.leastsq(
            misfit, start, maxfev=settings.adjust_evaluations, full_output=True
        )
    inside = -0.5 <= fit[1] < window.shape[1] - 0.5 and -0.5 <= fit[2] < window.shape[0] - 0.5
    if status not in (1, 2, 3, 4) or not inside:
        return None
    return np.array([left + fit[1], top + fit[2], fit[0]])


def bilinear(heat: Array, at: Array) -> Array:
    """(N,) heat at (N, 2) x, y; 0 unless all four corners lie on the map."""
    H, W = heat.shape
    left, top = np.trunc(at).astype(int).T
    u, v = at[:, 0] - left, at[:, 1] - top
    inside = (left >= 0) & (left + 1 < W) & (top >= 0) & (top + 1 < H)
    x, y = np.where(inside, left, 0), np.where(inside, top, 0)
    right, below = np.minimum(x + 1, W - 1), np.minimum(y + 1, H - 1)
    upper = heat[y, x] * (1 - u) + heat[y, right] * u
    lower = heat[below, x] * (1 - u) + heat[below, right] * u
    values: Array = (upper * (1 - v) + lower * v) * inside
    return values
