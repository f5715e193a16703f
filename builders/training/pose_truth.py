"""How good found poses are, where that is known: who is not labelled must not count as nobody."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from builders.training.augment import View
from builders.training.labels import Person
from engines.decoding.box_suppression import box_overlaps
from stream.skeleton import COCO_17

Floats = NDArray[np.float32]

UNKNOWN = np.float32(np.nan)
LEAST_JOINTS = 5
"""Who has fewer known joints tells too little of a pose."""
LIKE = 0.5
"""Poses at least so like a person (OKS) are meant for that person."""
ABOUT_IOU = 0.4
"""Poses whose joints' box overlaps a person's by so much are attempts at that person."""
SURE_SHARE = 0.99
"""Of the place of a pose must be known to hold nobody else, or the pose may be of somebody."""
IGNORED_SHARE = 0.3
"""Poses with more of their joints among crowds, or people without joints, may be of those."""


def true_oks(poses: Floats, view: View) -> tuple[Floats, NDArray[np.intp]]:
    """How good poses (N, 17, 3) are, and which person of the view each is most like.

    It is not known for poses that may be of people without known joints, or of people whom nobody
    labelled.

    Returns:
        (N,) OKS with that person, 0 or nearly for a pose of nobody, NaN where nobody can tell; and
        (N,) the person's index, -1 where nobody is like it at all.
    """
    known = [p.ignored is False and _joints(p) >= LEAST_JOINTS for p in view.people]
    boxes = _boxes(poses)
    alike = np.zeros((len(poses), len(view.people)), np.float32)
    about = np.zeros(len(poses), np.bool_)
    for column, person in enumerate(view.people):
        if known[column]:
            alike[:, column] = oks_with(poses, person)
            edges = np.concatenate([person.box[:2], person.box[:2] + person.box[2:]])
            about |= box_overlaps(edges, boxes, border=0) >= ABOUT_IOU
    hidden = [p.box for p, is_known in zip(view.people, known, strict=True) if not is_known]
    lonely = _inside_share(poses, hidden) <= IGNORED_SHARE
    sure = _background(boxes, view.background) >= SURE_SHARE
    best = alike.max(1, initial=0)
    tells = (best >= LIKE) | (lonely & (about | sure))
    who = alike.argmax(1) if view.people else np.zeros(len(poses), np.intp)
    return np.where(tells, best, UNKNOWN).astype(np.float32), np.where(best > 0, who, -1)


def oks_with(poses: Floats, person: Person) -> Floats:
    """(N,) COCO's similarity of poses (N, 17, 3) over the joints known of a person."""
    known = person.keypoints[:, 2] > 0
    squared = ((poses[:, known, :2] - person.keypoints[known, :2]) ** 2).sum(-1)
    spread = 2 * person.area_px2 * (2 * COCO_17.sigmas[known]) ** 2
    similar: Floats = np.exp(-squared / (spread + np.spacing(1))).mean(-1).astype(np.float32)
    return similar


def _joints(person: Person) -> int:
    return int((person.keypoints[:, 2] > 0).sum())


def _boxes(poses: Floats) -> Floats:
    """(N, 4) edges about the joints."""
    return np.concatenate([poses[..., :2].min(1), poses[..., :2].max(1)], 1)


def _inside_share(poses: Floats, boxes: Sequence[Floats]) -> Floats:
    """(N,) the largest share of a pose's joints that lies in one of the boxes."""
    points, most = poses[..., :2], np.zeros(len(poses), np.float32)
    for box in boxes:
        inside = ((points >= box[:2]) & (points <= box[:2] + box[2:])).all(-1)
        most = np.maximum(most, inside.mean(-1))
    return most


def _background(boxes: Floats, background: Floats) -> Floats:
    """(N,) mean sureness of the background inside edges (N, 4), cut at the borders."""
    corners = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:]) + 1], 1).astype(int)
    shares = []
    for left, top, right, bottom in corners:
        part = background[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        shares.append(part.mean() if part.size else 1.0)
    return np.array(shares, np.float32)
