"""Pictures made worse in known ways, and their labels with them: how much does a system bear?

A picture and its people go in, and come out smaller, blurred, dark, turned, covered, ... Levels
begin with the picture as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from builders.evaluation.labels import Record
from builders.evaluation.people import Rgb

GREY = (114, 114, 114)
PHOTONS = 4.0
"""Grey levels of noise (standard deviation) that a dark picture has beside its own."""
LEAST_JOINTS = 3
"""Whom a cover leaves fewer is ignored, as a person without labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and its labelled people."""

    rgb: Rgb
    people: tuple[Record, ...]


Change = Callable[[Scene, float, np.random.Generator], Scene]


@dataclass(frozen=True, slots=True)
class PictureFault:
    """One way in which pictures get worse."""

    words: str
    """What a level counts."""
    levels: tuple[float, ...]
    """The first leaves the picture as it is."""
    change: Change


def _smaller(scene: Scene, scale: float, _: np.random.Generator) -> Scene:
    """The picture at a scale, grey around it: the frame keeps its size."""
    height, width = scene.rgb.shape[:2]
    shift = np.array([(width - 1) / 2, (height - 1) / 2]) * (1 - scale)
    small = cv2.resize(scene.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rgb = np.full_like(scene.rgb, GREY)
    left, top = (width - small.shape[1]) // 2, (height - small.shape[0]) // 2
    rgb[top : top + small.shape[0], left : left + small.shape[1]] = small
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return Scene(rgb, tuple(_moved(person, matrix) for person in scene.people))


def _turned(scene: Scene, degrees: float, _: np.random.Generator) -> Scene:
    """Turned about the middle; the frame grows so that nothing is lost."""
    height, width = scene.rgb.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (
        round(width * cosine + height * sine),
        round(width * sine + height * cosine),
    )
    matrix[:, 2] += [(size[0] - 1) / 2 - middle[0], (size[1] - 1) / 2 - middle[1]]
    rgb = cv2.warpAffine(scene.rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=GREY)
    people = tuple(_moved(person, matrix) for person in scene.people)
    return Scene(np.asarray(rgb, np.uint8), people)


def _covered(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """The lower part of everybody's box behind a board; joints behind it do not count."""
    rgb = scene.rgb.copy()
    boards = []
    for person in scene.people:
        left, top, wide, tall = person["bbox"]
        board = (left - 0.1 * wide, top + (1 - share) * tall, left + 1.1 * wide, top + tall)
        boards.append(board)
        x0, y0, x1, y1 = (max(0, round(side)) for side in board)
        colour = rng.integers(40, 200, 3)
        rgb[y0 : y1 + 1, x0 : x1 + 1] = colour
    people = tuple(_behind(person, boards) for person in scene.people)
    return Scene(rgb, people)


def _behind(person: Record, boards: list[tuple[float, float, float, float]]) -> Record:
    joints = np.asarray(person["keypoints"], np.float64).reshape(-1, 3).copy()
    for x0, y0, x1, y1 in boards:
        x, y = joints[:, 0], joints[:, 1]
        joints[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)] = 0
    seen = int((joints[:, 2] > 0).sum())
    if seen < LEAST_JOINTS:
        joints, seen = np.zeros_like(joints), 0
    return person | {"keypoints": joints.ravel().tolist(), "num_keypoints": seen}


def _moved(person: Record, matrix: np.ndarray) -> Record:
    """Labels through an affine (2, 3) without shear."""
    joints = np.asarray(person["keypoints"], np.float64).reshape(-1, 3).copy()
    joints[:, :2] = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    joints[joints[:, 2] == 0] = 0
    left, top, wide, tall = person["bbox"]
    corners = np.array(
        [[left, top], [left + wide, top], [left, top + tall], [left + wide, top + tall]]
    )
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = corners.min(0), corners.max(0)
    area = float(person["area"]) * abs(float(np.linalg.det(matrix[:, :2])))
    box = [*low.tolist(), *(high - low).tolist()]
    return person | {"keypoints": joints.ravel().tolist(), "bbox": box, "area": area}


def _of_pixels(change: Callable[[Rgb, float, np.random.Generator], np.ndarray]) -> Change:
    """What leaves the labels where they are."""

    def changed(scene: Scene, level: float, rng: np.random.Generator) -> Scene:
        rgb = change(scene.rgb, level, rng)
        return Scene(np.asarray(rgb.clip(0, 255), np.uint8), scene.people)

    return changed


def _blurred(rgb: Rgb, sigma: float, _: np.random.Generator) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma))


def _smeared(rgb: Rgb, length: float, rng: np.random.Generator) -> np.ndarray:
    """Motion in some direction."""
    side = int(length) | 1
    kernel = np.zeros((side, side), np.float32)
    angle, middle = rng.uniform(0, np.pi), (side - 1) / 2
    for step in np.linspace(-middle, middle, 4 * side):
        x, y = middle + step * np.cos(angle), middle + step * np.sin(angle)
        kernel[round(y), round(x)] = 1
    return np.asarray(cv2.filter2D(rgb, -1, kernel / kernel.sum()))


def _noisy(rgb: Rgb, deviation: float, rng: np.random.Generator) -> np.ndarray:
    return rgb + rng.normal(0, deviation, rgb.shape)


def _compressed(rgb: Rgb, quality: float, _: np.random.Generator) -> np.ndarray:
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]


def _dark(rgb: Rgb, gain: float, rng: np.random.Generator) -> np.ndarray:
    return rgb * gain + rng.normal(0, PHOTONS, rgb.shape)


FAULTS: Mapping[str, PictureFault] = MappingProxyType(
    {
        "size": PictureFault("scale of the people", (1, 0.5, 0.25), _smaller),
        "rotation": PictureFault("degrees", (0, 30, 90, 180), _turned),
        "occlusion": PictureFault("covered share of the box, from below", (0, 0.3, 0.6), _covered),
        "blur": PictureFault("sigma, px", (0, 2, 5), _of_pixels(_blurred)),
        "motion": PictureFault("length, px", (0, 9, 21), _of_pixels(_smeared)),
        "noise": PictureFault("standard deviation, grey levels", (0, 15, 40), _of_pixels(_noisy)),
        "compression": PictureFault("JPEG quality", (100, 20, 7), _of_pixels(_compressed)),
        "darkness": PictureFault("gain", (1, 0.25, 0.08), _of_pixels(_dark)),
    }
)


def worse(scene: Scene, fault: PictureFault, level: float, seed: int) -> Scene:
    """The scene with a fault; the same seed gives the same."""
    if level == fault.levels[0]:
        return scene
    return fault.change(scene, level, np.random.default_rng(seed))
