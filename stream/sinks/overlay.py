"""Draws people onto a frame: the only place that draws."""

import colorsys
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stream.frame import FrameResult, Outcome
from stream.picture import to_rgb
from stream.pose import Pose, TrackedPose
from stream.skeleton import COCO_17

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Red, green, blue."""

MIN_CONFIDENCE = 0.2
"""Joints below are not drawn: their keypoint is only a guess."""

LEFT: Colour = (255, 159, 28)
RIGHT: Colour = (36, 178, 255)
MIDDLE: Colour = (240, 240, 240)
SHADOW: Colour = (20, 20, 20)
WHITE: Colour = (255, 255, 255)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SUBPIXEL_BITS = 4


def annotated(result: FrameResult) -> Rgb:
    """(H, W, 3) RGB of the frame with its people; a frame that was not inferred says so instead."""
    rgb = to_rgb(result.frame.picture)
    if result.outcome is not Outcome.INFERRED:
        _draw_note(rgb, result.outcome.value)
        return rgb
    draw_people(rgb, result.poses)
    return rgb


def draw_people(rgb: Rgb, people: Sequence[TrackedPose]) -> None:
    """Draws people into an (H, W, 3) RGB picture; keypoints are in pixels of that picture."""
    for tracked in people:
        _draw_skeleton(rgb, tracked.pose)
    # Labels last: no limb of a neighbour may cover them.
    for tracked in people:
        _draw_label(rgb, tracked)


def side_colour(*joints: int) -> Colour:
    """The colour of a joint or limb: that of its side of the body, neutral if it has none."""
    names = [COCO_17.joints[joint] for joint in joints]
    if all(name.startswith("left") for name in names):
        return LEFT
    if all(name.startswith("right") for name in names):
        return RIGHT
    return MIDDLE


def stroke_px(width: int, height: int) -> int:
    """Line width that looks alike in small and large pictures."""
    return max(1, round(min(width, height) / 240))


def track_colour(track: int) -> Colour:
    """A dark colour per track; neighbouring ids differ well (golden ratio of the hue circle)."""
    red, green, blue = colorsys.hsv_to_rgb(track * 0.618034 % 1.0, 0.75, 0.6)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_skeleton(rgb: Rgb, pose: Pose) -> None:
    stroke = _person_stroke_px(rgb, pose)
    seen = pose.confidence >= MIN_CONFIDENCE
    points = _points(rgb, pose)
    limbs = [(a, b) for a, b in COCO_17.limbs if seen[a] and seen[b]]
    for a, b in limbs:
        _line(rgb, points[a], points[b], SHADOW, stroke + _edge_px(stroke))
    for a, b in limbs:
        _line(rgb, points[a], points[b], side_colour(a, b), stroke)
    for joint in np.flatnonzero(seen):
        _dot(rgb, points[joint], SHADOW, stroke + _edge_px(stroke) / 2)
        _dot(rgb, points[joint], side_colour(int(joint)), stroke)


def _person_stroke_px(rgb: Rgb, pose: Pose) -> int:
    """The picture's line width, thinner for people so small that it would hide them."""
    _, _, width, height = pose.box_px(MIN_CONFIDENCE)
    return max(1, min(stroke_px(rgb.shape[1], rgb.shape[0]), round(max(width, height) / 60)))


def _edge_px(stroke: int) -> int:
    """Dark edge around lines, so that they show on any ground; thinner on small people."""
    return 1 if stroke == 1 else 2


def _points(rgb: Rgb, pose: Pose) -> list[tuple[int, int]]:
    """Keypoints in 1/16 px as OpenCV takes them; a guess far outside must not overflow its int."""
    limit = 4 * max(rgb.shape[:2])
    fixed = np.rint(np.clip(pose.keypoints_px, -limit, limit) * (1 << _SUBPIXEL_BITS))
    return [(int(x), int(y)) for x, y in fixed]


def _line(rgb: Rgb, a: tuple[int, int], b: tuple[int, int], colour: Colour, width: int) -> None:
    cv2.line(rgb, a, b, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(rgb: Rgb, centre: tuple[int, int], colour: Colour, radius: float) -> None:
    fixed_radius = round(radius * (1 << _SUBPIXEL_BITS))
    cv2.circle(rgb, centre, fixed_radius, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_label(rgb: Rgb, tracked: TrackedPose) -> None:
    """Track and score above the person's head, inside the picture."""
    pose = tracked.pose
    seen = pose.keypoints_px[pose.confidence >= MIN_CONFIDENCE]
    points = seen if len(seen) else pose.keypoints_px
    x, y = points[points[:, 1].argmin()]
    gap = 3 * stroke_px(rgb.shape[1], rgb.shape[0])
    text = f"{tracked.track}  {pose.score:.2f}"
    _draw_text(rgb, text, (float(x), float(y) - gap), track_colour(tracked.track))


def _draw_note(rgb: Rgb, text: str) -> None:
    """A small word in the upper left corner."""
    _draw_text(rgb, text, (0.0, 0.0), SHADOW)


def _draw_text(rgb: Rgb, text: str, foot: tuple[float, float], ground: Colour) -> None:
    """White text on a plate that stands on `foot`, moved into the picture."""
    height, width = rgb.shape[:2]
    scale, stroke = _text_size(width, height)
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, stroke)
    pad = 1 + text_height // 3
    plate_width, plate_height = text_width + 2 * pad, text_height + below // 2 + 2 * pad
    x = round(min(max(foot[0] - plate_width / 2, 0), max(width - plate_width, 0)))
    y = round(min(max(foot[1], plate_height), height))
    cv2.rectangle(rgb, (x, y - plate_height), (x + plate_width, y), ground, cv2.FILLED)
    base: Any = (x + pad, y - pad - below // 2)
    cv2.putText(rgb, text, base, _FONT, scale, WHITE, stroke, cv2.LINE_AA)


def _text_size(width: int, height: int) -> tuple[float, int]:
    """Font scale and stroke; never so small that digits run together."""
    scale = max(0.35, min(width, height) / 1400)
    return scale, max(1, round(scale * 1.6))
