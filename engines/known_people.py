"""Frames with so many people, and engines that find exactly those: to time cascades by people."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest
from engines.cascade.pose_boxes import person_boxes
from engines.certification.picture_set import PictureSet
from engines.engine import Engine, EngineSpec, Tensors
from stream.errors import ConfigError, EngineError
from stream.geometry import letterbox

Floats = NDArray[np.float32]
Rgb = NDArray[np.uint8]

WIDTH, HEIGHT = 1280, 720
LEAST_COLUMNS = 4
"""Eight people stand in two rows; fewer are as large."""
FILLED = 0.6
"""Of the height of its cell, by the joints of a person."""
SURE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class KnownPeople:
    """A frame and who is in it."""

    rgb: Rgb
    """(HEIGHT, WIDTH, 3)."""
    poses: Floats
    """(N, 17, 3) x, y in its pixels, confidence."""


def draw_known_people(count: int, pictures: PictureSet) -> KnownPeople:
    """A frame of `count` people of a set, each in a cell of its own.

    Raises:
        ConfigError: if `count` is out of range, or nobody knows the people of the set.
    """
    if not 0 <= count <= 100:
        raise ConfigError(f"people: expected 0 to 100, got {count}")
    columns = max(LEAST_COLUMNS, math.ceil(math.sqrt(2 * count)))
    wide, tall = WIDTH // columns, HEIGHT // max(2, math.ceil(count / columns))
    rgb = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    poses = np.zeros((count, 17, 3), np.float32)
    for number, (picture, joints) in enumerate(_people(count, pictures)):
        left, top = number % columns * wide, number // columns * tall
        cell, points = _in_cell(picture, joints, wide, tall)
        rgb[top : top + tall, left : left + wide] = cell
        poses[number, :, :2], poses[number, :, 2] = points + np.array([left, top]), SURE
    return KnownPeople(rgb, poses)


class KnownPeopleEngine:
    """An engine that does all its work, and then says who really is there.

    So the cost of a frame with N people can be told for any model, however many it finds.

    Args:
        engine: of a detector or a one-pass model; does the work.
        manifest: of the model.
    """

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self._engine, self._stage = engine, manifest.stage
        self.people: Floats | None = None
        """(N, 17, 3) in source pixels; None to say what the model finds."""

    @property
    def spec(self) -> EngineSpec:
        """See `Engine.spec`."""
        return self._engine.spec

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        """See `Engine.infer`.

        Raises:
            EngineError: also if there are more people than the graph has candidates.
        """
        found = self._engine.infer(inputs)
        if self.people is None:
            return found
        name, rows = ("boxes", self._boxes()) if self._stage == "detector" else self._poses()
        if len(rows) > found[name].shape[1]:
            raise EngineError(f"{len(rows)} people, but only {found[name].shape[1]} candidates")
        told = {key: np.zeros_like(values) for key, values in found.items()}
        told[name][:, : len(rows)] = rows
        told["scores"][:, : len(rows)] = SURE
        return told

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()

    def _boxes(self) -> Floats:
        boxes = person_boxes(self._known(), WIDTH, HEIGHT)
        return self._on_canvas(boxes.reshape(-1, 2, 2)).reshape(-1, 4)

    def _poses(self) -> tuple[str, Floats]:
        poses = self._known().copy()
        poses[..., :2] = self._on_canvas(poses[..., :2])
        return "keypoints", poses

    def _known(self) -> Floats:
        return np.zeros((0, 17, 3), np.float32) if self.people is None else self.people

    def _on_canvas(self, points: Floats) -> Floats:
        return letterbox(WIDTH, HEIGHT, *self.spec.canvas).to_canvas(points)


def _people(count: int, pictures: PictureSet) -> list[tuple[Rgb, Floats]]:
    if pictures.joints_px is None:
        raise ConfigError("nobody knows the people of these pictures; take the drawn ones")
    everybody = [
        (picture, joints)
        for picture, people in zip(pictures.pictures, pictures.joints_px, strict=True)
        for joints in people
    ]
    return [everybody[number % len(everybody)] for number in range(count)]


def _in_cell(picture: Rgb, joints: Floats, wide: int, tall: int) -> tuple[Rgb, Floats]:
    """(tall, wide, 3) with the person in the middle, and the joints there."""
    low, high = joints.min(0), joints.max(0)
    scale = float(FILLED * tall / (high[1] - low[1]))
    offset = np.array([wide, tall]) / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    grey = (90, 90, 90)
    cell = cv2.warpAffine(picture, matrix, (wide, tall), flags=cv2.INTER_LINEAR, borderValue=grey)
    return cell.astype(np.uint8), (joints * scale + offset).astype(np.float32)
