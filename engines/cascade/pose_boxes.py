"""Boxes around poses; pure.

A box for a top-down model holds the whole person, a pose only joints: the head and the feet reach
beyond. `MARGINS` are the medians of what labelled boxes add to the joints of people seen nearly
whole (COCO, 57 of them in `coco_kp/train`, 12 joints or more).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MARGINS = np.array([0.064, 0.119, 0.064, 0.092], np.float32)
"""Left, top, right, bottom, in shares of the longer side of the joints' box."""
LEAST_MARGIN, LARGEST_MARGIN = -0.1, 0.4
"""What a box that somebody else found may add to the joints; beyond, one of both is wrong."""
OUTWARDS = np.array([-1, -1, 1, 1], np.float32)
SEEN_CONFIDENCE = 0.2
LEAST_JOINTS = 3
"""With fewer seen, all joints count."""


def person_boxes(poses: Floats, width: int, height: int, margins: Floats = MARGINS) -> Floats:
    """(N, 4) left, top, right, bottom edges of the people with poses (N, J, 3), within the frame.

    Args:
        poses: x, y in source pixels, confidence.
        width: of the frame; likewise `height`.
        height: of the frame.
        margins: (4,) or (N, 4).
    """
    boxes = joint_boxes(poses, SEEN_CONFIDENCE)
    edge = np.array([width, height, width, height], np.float32) - np.float32(0.5)
    grown: Floats = (boxes + OUTWARDS * margins * _longer(boxes)).clip(np.float32(-0.5), edge)
    return grown


def margins_of(boxes: Floats, poses: Floats) -> Floats:
    """(N, 4) what boxes (N, 4) add to the joints of poses (N, J, 3), within reason."""
    joints = joint_boxes(poses, SEEN_CONFIDENCE)
    added = OUTWARDS * (boxes - joints) / np.maximum(_longer(joints), 1)
    margins: Floats = added.clip(LEAST_MARGIN, LARGEST_MARGIN).astype(np.float32)
    return margins


def _longer(boxes: Floats) -> Floats:
    """(N, 1) the longer side."""
    longer: Floats = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)[:, None]
    return longer


def joint_boxes(poses: Floats, min_confidence: float = 0.0) -> Floats:
    """(N, 4) around the joints of each pose (N, J, 3) that are this sure; around all if too few."""
    sure = poses[..., 2] >= min_confidence
    sure |= sure.sum(1, keepdims=True) < LEAST_JOINTS
    points = poses[..., :2]
    low = np.where(sure[..., None], points, np.inf).min(1, initial=np.inf)
    high = np.where(sure[..., None], points, -np.inf).max(1, initial=-np.inf)
    return np.concatenate([low, high], -1).astype(np.float32).reshape(-1, 4)
