"""Synthetic pose errors that PoseFix learns to correct, as its released code makes them.

A joint becomes good, or suffers jitter, miss, inversion (its own mirror joint) or swap (another
person's joint). Distances follow the joint's OKS: d(q) is where it has fallen to q. The code draws
hundreds of points and picks one survivor at random; here points are drawn until one survives,
which has the same law. FOLLOWS the code where the paper differs: inversion and swap reach from 0 to
d(.5). The code takes left joints that it has already moved as the mirrors of right ones, an
oversight; here mirrors are always true.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from stream.skeleton import COCO_17

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
JOINTS = 17
OWN_TRUTH, OWN_MIRROR = 0, 1
BLOCK = 16
"""Points drawn at once."""


class Error(IntEnum):
    """What happens to a joint; NONE: nothing could be drawn, the joint is invalid."""

    NONE = -1
    GOOD = 0
    JITTER = 1
    MISS = 2
    INVERSION = 3
    SWAP = 4


@dataclass(frozen=True, slots=True, eq=False)
class Scenes:
    """P people with S neighbours each; all in crop pixels after augmentation."""

    truth: Array
    """(P, 17, 3); third above 0: annotated and inside the crop."""
    stand_in: Array
    """(P, 17, 3) another model's pose, for joints without annotation; third 0: none either."""
    others: Array
    """(P, S, 17, 3) people whose boxes overlap by an IoU of 0.1 or more; third 0: not annotated."""
    area: Array
    """(P,) of the person's true box."""
    overlaps: Indices
    """(P,) how many such people there are."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One joint of one person each, T of them."""

    places: Array
    """(T, C, 2): own truth, own mirror joint, others' same joint, others' mirror joint."""
    exists: NDArray[np.bool_]
    """(T, C)."""
    reach: Array
    """(T, 3): d(.85), d(.5), d(.1)."""


_FACE, _SHOULDER, _ARM, _HIP, _KNEE, _ANKLE = range(6)
_GROUP = np.array(
    [_FACE] * 5 + [_SHOULDER] * 2 + [_ARM] * 4 + [_HIP] * 2 + [_KNEE] * 2 + [_ANKLE] * 2
)
_JITTER = np.array([[0.20, 0.20, 0.20, 0.25, 0.15, 0.15], [0.15, 0.15, 0.15, 0.20, 0.10, 0.10]])
_MISS = np.array(
    [
        [0.15, 0.20, 0.25, 0.25, 0.25, 0.20],
        [0.10, 0.13, 0.15, 0.15, 0.15, 0.13],
        [0.02, 0.05, 0.10, 0.10, 0.10, 0.05],
    ]
)
_INVERSION = np.array([0.01, 0.03, 0.03, 0.06, 0.06, 0.06])
_SWAP = np.array([[0.02, 0.15, 0.15, 0.10, 0.10, 0.10], [0.01, 0.06, 0.06, 0.03, 0.03, 0.03]])
_NOSE_JITTER = np.array([0.15, 0.10])


def error_chances(annotated: Indices, overlaps: Indices) -> Array:
    """The published table.

    Args:
        annotated: (P,) joints annotated in the crop.
        overlaps: (P,) overlapping people.

    Returns:
        (P, 17, 5) in the order of `Error`, summing to 1.
    """
    few = (annotated > 10).astype(int)
    jitter = _JITTER[few][:, _GROUP]
    jitter[:, 0] = _NOSE_JITTER[few]
    miss = _MISS[np.digitize(annotated, (5, 10), right=True)][:, _GROUP]
    crowded = ((annotated <= 10) & (overlaps > 0)) | ((annotated <= 15) & (overlaps >= 3))
    swap = _SWAP[np.where(crowded, 0, 1)][:, _GROUP]
    inversion = np.broadcast_to(_INVERSION[_GROUP], miss.shape)
    good = 1 - jitter - miss - inversion - swap
    return np.stack((good, jitter, miss, inversion, swap), -1)


def oks_distance(similarity: float, area: Array) -> Array:
    """(P, 17): how far each joint lies off when its OKS term is `similarity`."""
    spread = (2 * COCO_17.sigmas.astype(np.float64)) ** 2
    distance: Array = np.sqrt(-2 * area[:, None] * spread * np.log(similarity))
    return distance


def synthesise(scenes: Scenes, random: np.random.Generator) -> tuple[Array, Indices]:
    """Poses with errors.

    Returns:
        (P, 17, 3) x, y and 1, or zeros where the joint is invalid; (P, 17) `Error` of each joint.
    """
    P = len(scenes.truth)
    annotated = (scenes.truth[:, :, 2] > 0).sum(1)
    chances = error_chances(annotated, scenes.overlaps).reshape(P * JOINTS, 5)
    task = _tasks(scenes)
    chances = chances * task.exists[:, :1]
    poses = np.zeros((P * JOINTS, 3))
    kinds = np.full(P * JOINTS, Error.NONE, np.intp)
    open_tasks = np.flatnonzero(chances.sum(1) > 0)
    while len(open_tasks):
        # Trying errors in the order of their chances and dropping those without a survivor gives
        # each the chance that the code's renormalisation over survivors does.
        kind = _pick(chances[open_tasks], random)
        for error in np.unique(kind):
            mine = open_tasks[kind == error]
            xy, found = _draw(task, mine, Error(error), random)
            poses[mine[found]] = np.concatenate((xy[found], np.ones((found.sum(), 1))), 1)
            kinds[mine[found]] = error
            chances[mine[~found], error] = 0
        open_tasks = open_tasks[(kinds[open_tasks] < 0) & (chances[open_tasks].sum(1) > 0)]
    return poses.reshape(P, JOINTS, 3), kinds.reshape(P, JOINTS)


def _tasks(scenes: Scenes) -> _Task:
    known = scenes.truth[:, :, 2:] > 0
    own = np.where(known, scenes.truth, scenes.stand_in)
    mirror_of = COCO_17.flip_order()
    paired = mirror_of != np.arange(JOINTS)
    mirror, others_mirror = own[:, mirror_of], scenes.others[:, :, mirror_of]
    places = np.concatenate((own[:, None], mirror[:, None], scenes.others, others_mirror), 1)
    exists = np.concatenate(
        (
            own[:, None, :, 2] > 0,
            (known[:, mirror_of, 0] & paired)[:, None],
            scenes.others[..., 2] > 0,
            (others_mirror[..., 2] > 0) & paired,
        ),
        1,
    )
    C = places.shape[1]
    reach = np.stack([oks_distance(similar, scenes.area) for similar in (0.85, 0.5, 0.1)], -1)
    return _Task(
        places.transpose(0, 2, 1, 3).reshape(-1, C, 3)[..., :2],
        exists.transpose(0, 2, 1).reshape(-1, C),
        reach.reshape(-1, 3),
    )


def _pick(weights: Array, random: np.random.Generator) -> Indices:
    """(T, n) weights, some above 0, to (T,) indices drawn by them."""
    total = weights.cumsum(1)
    drawn = random.random((len(weights), 1)) * total[:, -1:]
    index: Indices = (total <= drawn).sum(1)
    return index


def _draw(
    task: _Task, chosen: Indices, error: Error, random: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """(n, 2) points for the chosen tasks and (n,) whether one survived within the code's draws."""
    about = _centres(task.exists[chosen], error)
    tries = _tries(task.exists[chosen], error)
    xy = np.zeros((len(chosen), 2))
    found = np.zeros(len(chosen), bool)
    left = np.flatnonzero(about.sum(1) > 0)
    done = 0
    while len(left):
        points, survives = _block(task, chosen[left], about[left], error, random)
        survives &= np.arange(BLOCK) + done < tries[left, None]
        first = survives.argmax(1)
        xy[left] = points[np.arange(len(left)), first]
        found[left] = survives.any(1)
        done += BLOCK
        left = left[~found[left] & (tries[left] > done)]
    return xy, found


def _centres(exists: NDArray[np.bool_], error: Error) -> Array:
    """(n, C) how likely a point is drawn about each place."""
    weights = exists.astype(np.float64)
    if error is Error.SWAP:
        weights[:, : OWN_MIRROR + 1] = 0
    elif error is Error.MISS:
        weights[:, OWN_MIRROR:] *= 0.25  # points about other places are thinned to a quarter
    else:
        only = OWN_MIRROR if error is Error.INVERSION else OWN_TRUTH
        weights[:, np.arange(weights.shape[1]) != only] = 0
    return weights


def _tries(exists: NDArray[np.bool_], error: Error) -> Indices:
    """(n,) points the released code draws."""
    count = np.ones(len(exists), np.intp)
    if error is Error.SWAP:
        count = exists[:, OWN_MIRROR + 1 :].sum(1)
    elif error is Error.MISS:
        count = exists.sum(1)
    each = {Error.GOOD: 125, Error.MISS: 2000}.get(error, 500)
    return count * each


def _block(
    task: _Task, chosen: Indices, about: Array, error: Error, random: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """(n, BLOCK, 2) points and (n, BLOCK) whether they are clear of the other places."""
    n, C = about.shape
    centre = _pick(np.repeat(about, BLOCK, 0), random).reshape(n, BLOCK)
    near, far = (task.reach[chosen, column] for column in (0, 1))
    low, high = {
        Error.GOOD: (0 * near, near),
        Error.JITTER: (near, far),
        Error.MISS: (far, task.reach[chosen, 2]),
    }.get(error, (0 * near, far))
    radius = random.uniform(low[:, None], high[:, None], (n, BLOCK))
    angle = random.uniform(0, 2 * np.pi, (n, BLOCK))
    places = task.places[chosen]
    points = places[np.arange(n)[:, None], centre]
    points = points + radius[..., None] * np.stack((np.cos(angle), np.sin(angle)), -1)
    away = np.hypot(*np.moveaxis(points[:, :, None] - places[:, None], -1, 0))  # (n, BLOCK, C)
    clear = far[:, None, None] if error is Error.MISS else radius[..., None]
    judged = task.exists[chosen][:, None] & (np.arange(C) != centre[..., None])
    if error is Error.SWAP:
        judged = judged & (np.arange(C) <= OWN_MIRROR)
    return points, ((away > clear) | ~judged).all(-1)
