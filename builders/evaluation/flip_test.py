"""Shows a picture and its mirror image, and merges what is found: more accurate, twice as slow.

For evaluation only. The heat maps of a one-pass graph are not at hand outside of it, so poses are
merged, not maps as in the papers.
"""

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.people import Boxes, Floats, People, Predict, Rgb
from stream.oks import object_keypoint_similarity, pose_area_px2
from stream.skeleton import Skeleton

MIN_ALIKE = 0.5
"""OKS from which a person of the mirror image is the same person."""
CONFIDENCE_FLOOR = 0.01
"""Weight of a joint that is not seen."""


def with_flip_test(predict: Predict, skeleton: Skeleton) -> Predict:
    """The same system with the flip test; for systems that look at whole pictures."""

    def flipped(rgb: Rgb) -> People:
        mirrored = mirrored_people(predict(mirrored_rgb(rgb)), rgb.shape[1], skeleton)
        return merged(predict(rgb), mirrored, skeleton)

    return flipped


def mirrored_rgb(rgb: Rgb) -> Rgb:
    """(H, W, 3) with left and right exchanged."""
    return np.ascontiguousarray(rgb[:, ::-1])


def mirrored_boxes(boxes: Boxes, width: int) -> Boxes:
    """Boxes in the mirror image of a picture that is `width` pixels wide."""
    places, scores = boxes
    turned = places.copy()
    turned[:, 0] = width - 1 - places[:, 0] - places[:, 2]
    return turned, scores


def mirrored_people(people: People, width: int, skeleton: Skeleton) -> People:
    """People of the mirror image, in pixels of the picture; left joints become right ones."""
    keypoints, scores = people
    turned = keypoints[:, skeleton.flip_order()].copy()
    turned[..., 0] = width - 1 - turned[..., 0]
    return turned, scores


def averaged(first: Floats, second: Floats) -> Floats:
    """(N, J, 3) of the same people: places weighted by confidence, confidences halved and added."""
    weights = np.stack([first[..., 2:], second[..., 2:]])
    weights = np.maximum(weights, np.float32(CONFIDENCE_FLOOR))
    places = (first[..., :2] * weights[0] + second[..., :2] * weights[1]) / weights.sum(0)
    confidence = (first[..., 2:] + second[..., 2:]) / 2
    return np.concatenate([places, confidence], -1).astype(np.float32)


def merged(people: People, mirrored: People, skeleton: Skeleton) -> People:
    """Pairs become their average; whom only one of the two saw keeps half the score.

    Best score first, each person takes the free one of the mirror image that is most alike.
    """
    (first, scores), (second, mirror_scores) = people, mirrored
    alike = _similarity(first, second, skeleton)
    pairs = _pairs(alike, scores)
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    alone = np.setdiff1d(np.arange(len(first)), ours)
    mirror_alone = np.setdiff1d(np.arange(len(second)), theirs)
    both = averaged(first[ours], second[theirs])
    keypoints = np.concatenate([both, first[alone], second[mirror_alone]])
    halves = (scores[ours] + mirror_scores[theirs], scores[alone], mirror_scores[mirror_alone])
    merged_scores = (np.concatenate(halves) / 2).astype(np.float32)
    order = np.argsort(-merged_scores, kind="stable")
    return keypoints[order], merged_scores[order]


def _similarity(first: Floats, second: Floats, skeleton: Skeleton) -> Floats:
    weights = np.maximum(first[..., 2], np.float32(CONFIDENCE_FLOOR))
    points, others = first[..., :2], second[..., :2]
    if not len(points):
        return np.zeros((0, len(others)), np.float32)
    area_px2 = pose_area_px2(points)
    return object_keypoint_similarity(points, others, weights, area_px2, skeleton.sigmas)


def _pairs(alike: Floats, scores: NDArray[np.float32]) -> list[tuple[int, int]]:
    free = alike.copy()
    pairs: list[tuple[int, int]] = []
    for person in np.argsort(-scores, kind="stable") if free.shape[1] else []:
        best = int(free[person].argmax())
        if free[person, best] >= MIN_ALIKE:
            pairs.append((int(person), best))
            free[:, best] = -1
    return pairs
