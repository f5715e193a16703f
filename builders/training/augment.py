"""Geometry and camera-domain augmentation of labelled pictures, and pasting of people. Seeded."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from builders.training.labels import LabelledPicture, Person
from stream.geometry import CropAffine
from stream.picture import CANVAS_GREY
from stream.skeleton import COCO_17

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

ARM_AND_LEG_LIMBS = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))
TORSO = (5, 6, 12, 11)


@dataclass(frozen=True, slots=True)
class WholePicture:
    """HGG's and DEKR's views (released `RandomAffineTransform`); the defaults are theirs."""

    scale: tuple[float, float] = (0.75, 1.5)
    """Side of the canvas over the picture's shorter side, in source pixels (uniform)."""
    rotation_degrees: float = 30.0
    """Uniform, to either side."""
    shift: float = 0.2
    """Of that side, to any side (uniform): 40 in their unit of 200 px."""


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Ranges of the random view; sizes in pixels."""

    canvas: int = 256
    person_px: tuple[float, float] = (30.0, 220.0)
    """Larger box side of the person in focus, on the canvas (log-uniform)."""
    min_cover: float = 0.8
    """The picture's long side fills at least this share of the canvas."""
    max_zoom: float = 3.0
    rotation_degrees: float = 12.0
    """Standard deviation; clipped at 30 degrees."""
    camera: float = 0.3
    """Probability of each kind of camera fault."""
    paste: float = 0.1
    """Probability that people are pasted into the view."""
    most_pasted: int = 1
    whole_picture: WholePicture | None = None
    """Views about the middle of the picture instead of a person; zoom and rotation are its own."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An augmented canvas and what is known on it, in canvas pixels."""

    pixels: Rgb
    people: tuple[Person, ...]
    background: Floats
    """(canvas, canvas), see `LabelledPicture.background`."""


def random_view(
    rgb: Rgb, label: LabelledPicture, settings: AugmentSettings, rng: np.random.Generator
) -> View:
    """A random scale, rotation, place, aspect and mirror image of a picture."""
    shape = (rgb.shape[0], rgb.shape[1])
    matrix = random_matrix(shape, label, settings, rng)
    size = (settings.canvas, settings.canvas)
    pixels = _warp(rgb, matrix, size)
    covered = cv2.warpAffine(np.ones(shape, np.float32), matrix, size, flags=cv2.INTER_NEAREST)
    background = 1 - np.asarray(covered, np.float32) * np.float32(1 - label.background)
    people = [_moved(person, matrix, settings.canvas) for person in label.people]
    mirrored = np.linalg.det(matrix[:, :2]) < 0
    return View(
        pixels,
        tuple(_renamed(person) if mirrored else person for person in people),
        background,
    )


def random_matrix(
    shape: tuple[int, int],
    label: LabelledPicture,
    settings: AugmentSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(2, 3) picture to canvas pixels, about a random person or, without one, any place."""
    if settings.whole_picture is not None:
        return whole_picture_matrix(shape, settings.whole_picture, settings.canvas, rng)
    height, width = shape
    boxes = [person.box for person in label.people if not person.ignored]
    if boxes:
        x, y, w, h = boxes[rng.integers(len(boxes))]
        focus, side = (x + w / 2, y + h / 2), max(w, h, 1.0)
        wanted = np.exp(rng.uniform(*np.log(settings.person_px)))
        least = settings.min_cover * settings.canvas / max(height, width)
        zoom = float(np.clip(wanted / side, least, max(least, settings.max_zoom)))
    else:
        focus = (rng.uniform(0, width), rng.uniform(0, height))
        zoom = settings.canvas / max(height, width) * float(np.exp(rng.uniform(-0.3, 1.0)))
    spread = 0.55 if label.stretched else 0.1
    aspect = float(np.exp(rng.uniform(-spread / 2, spread / 2)))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    stretch = np.diag([mirror * zoom * aspect, zoom / aspect])
    angle = np.deg2rad(np.clip(rng.normal(0, settings.rotation_degrees), -30, 30))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = turn @ stretch
    place = settings.canvas * rng.uniform(0.25, 0.75, 2)
    return np.hstack([linear, (place - linear @ np.array(focus))[:, None]])


def whole_picture_matrix(
    shape: tuple[int, int], settings: WholePicture, canvas: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(2, 3) picture to canvas pixels, about its middle; half of them mirror images."""
    height, width = shape
    side = min(height, width) * rng.uniform(*settings.scale)
    shift = side * settings.shift * rng.uniform(-1, 1, 2)
    turn = settings.rotation_degrees * rng.uniform(-1, 1)
    middle = (width / 2 + float(shift[0]), height / 2 + float(shift[1]))
    matrix = CropAffine(middle, float(side), canvas, canvas, float(turn)).matrix()
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += canvas - 1
    return matrix


def _warp(rgb: Rgb, matrix: NDArray[np.float64], size: tuple[int, int]) -> Rgb:
    """Affine warp that first shrinks by area where it would alias."""
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if zoom < 0.7:
        new = (max(1, round(rgb.shape[1] * zoom)), max(1, round(rgb.shape[0] * zoom)))
        back = np.array([rgb.shape[1] / new[0], rgb.shape[0] / new[1]])
        rgb = np.asarray(cv2.resize(rgb, new, interpolation=cv2.INTER_AREA), np.uint8)
        # Edge to edge: x_old = (x_new + 0.5) * back - 0.5.
        offset = matrix[:, :2] @ (0.5 * back - 0.5) + matrix[:, 2]
        matrix = np.hstack([matrix[:, :2] * back, offset[:, None]])
    grey = (CANVAS_GREY, CANVAS_GREY, CANVAS_GREY)
    warped = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=grey)
    return np.asarray(warped, np.uint8)


def _moved(person: Person, matrix: NDArray[np.float64], canvas: int) -> Person:
    keypoints = person.keypoints.copy()
    keypoints[:, :2] = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    outside = ((keypoints[:, :2] < 0) | (keypoints[:, :2] > canvas - 1)).any(1)
    known = keypoints[:, 2] > 0
    # As at the border of a real picture, what lies outside has no label; the centre moves inward.
    keypoints[outside, 2] = 0
    few = int((known & ~outside).sum()) < 3
    x, y, w, h = person.box
    corners = np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]])
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    box = np.concatenate([corners.min(0), np.ptp(corners, axis=0)]).astype(np.float32)
    outline = person.outline_px2
    if outline is not None:
        outline = outline * abs(float(np.linalg.det(matrix[:, :2])))
    return replace(
        person,
        keypoints=keypoints,
        box=box,
        ignored=person.ignored or few,
        outline_px2=outline,
    )


def _renamed(person: Person) -> Person:
    return replace(person, keypoints=person.keypoints[COCO_17.flip_order()])


def person_mask(person: Person, shape: tuple[int, int]) -> Floats | None:
    """(H, W) soft outline of a person drawn from its joints; None if too few are known."""
    points, known = person.keypoints[:, :2], person.keypoints[:, 2] > 0
    if known[5:].sum() < 9:
        return None
    mask = np.zeros(shape, np.uint8)
    corners = np.rint(points[list(TORSO)][known[list(TORSO)]]).astype(np.int32)
    size = float(max(np.ptp(points[known], axis=0)))
    thick = max(2, round(size * 0.13))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners), (255,))
    cv2.polylines(mask, [corners], True, (255,), thick)  # noqa: FBT003 - OpenCV's signature
    for a, b in ARM_AND_LEG_LIMBS:
        if known[a] and known[b]:
            ends = np.rint(points[[a, b]]).astype(int)
            cv2.line(mask, tuple(ends[0]), tuple(ends[1]), (255,), thick)
    _draw_head(mask, person, round(size * 0.11))
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, size * 0.012))
    return np.asarray(soft, np.float32) / np.float32(255)


def _draw_head(mask: NDArray[np.uint8], person: Person, radius: int) -> None:
    points, known = person.keypoints[:5, :2], person.keypoints[:5, 2] > 0
    shoulders = person.keypoints[5:7]
    if known.any():
        middle = points[known].mean(0)
    elif (shoulders[:, 2] > 0).all():
        hips = person.keypoints[11:13, :2].mean(0)
        neck = shoulders[:, :2].mean(0)
        middle = neck + (neck - hips) * 0.3
    else:
        return
    cv2.circle(mask, tuple(np.rint(middle).astype(int)), max(2, radius), (255,), -1)


def paste(view: View, other: View) -> View:
    """Puts the first person of `other` in front of `view`, by the soft outline of its joints."""
    if not other.people or other.people[0].ignored:
        return view
    person = other.people[0]
    mask = person_mask(person, (view.pixels.shape[0], view.pixels.shape[1]))
    if mask is None:
        return view
    alpha = mask[..., None]
    mixed = view.pixels * (1 - alpha) + other.pixels * alpha
    covered = mask > 0.5
    behind = tuple(_hidden(seen, covered) for seen in view.people)
    background = np.where(covered, np.float32(1), view.background)
    return View(mixed.astype(np.uint8), (*behind, person), background)


def _hidden(person: Person, covered: NDArray[np.bool_]) -> Person:
    """Joints behind the pasted person become unknown; a person with few left is ignored."""
    keypoints = person.keypoints.copy()
    x = np.clip(np.rint(keypoints[:, 0]).astype(int), 0, covered.shape[1] - 1)
    y = np.clip(np.rint(keypoints[:, 1]).astype(int), 0, covered.shape[0] - 1)
    behind = covered[y, x] & (keypoints[:, 2] > 0)
    if not behind.any():
        return person
    before = int((keypoints[:, 2] > 0).sum())
    keypoints[behind, 2] = 0
    few = before - int(behind.sum()) < max(3, 0.4 * before)
    return replace(
        person,
        keypoints=keypoints,
        absent_is_background=False,
        ignored=person.ignored or few,
        box_is_sure=person.box_is_sure and not few,
    )


def camera_faults(rgb: Rgb, probability: float, rng: np.random.Generator) -> Rgb:
    """Light, colour, blur, noise, low resolution and compression, each at random."""
    picture: NDArray[np.floating] = rgb.astype(np.float32)
    if rng.random() < 0.8:
        gain, lift = np.exp(rng.normal(0, 0.25)), rng.normal(0, 12)
        tint = np.exp(rng.normal(0, 0.06, 3))
        picture = 255 * np.clip((picture * gain * tint + lift) / 255, 0, 1) ** np.exp(
            rng.normal(0, 0.2)
        )
    if rng.random() < probability * 0.3:
        picture = np.repeat(picture.mean(-1, keepdims=True), 3, -1)
    if rng.random() < probability:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6)), np.float32)
    if rng.random() < probability:
        size, share = (rgb.shape[1], rgb.shape[0]), rng.uniform(0.4, 0.9)
        small = [max(16, round(side * share)) for side in size]
        coarse = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(coarse, size), np.float32)
    if rng.random() < probability:
        picture = picture + rng.normal(0, rng.uniform(2, 14), picture.shape)
    faulty = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < probability:
        quality = int(rng.integers(15, 70))
        _, packed = cv2.imencode(".jpg", faulty, [cv2.IMWRITE_JPEG_QUALITY, quality])
        faulty = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(faulty, np.uint8)
