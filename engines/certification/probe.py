"""A picture set as the inputs of a graph, whatever its stage."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest
from engines.certification.picture_set import PictureSet
from engines.engine import Tensors
from stream.errors import ConfigError
from stream.geometry import CropAffine, crop_affine
from stream.picture import CANVAS_GREY

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[np.generic]]

BORDER_SHARE = 0.15
"""A person reaches so much of their height beyond the outermost joint (the top of the head)."""
NOISE_SHARE = 0.02
"""Joints given to a refiner are off by so much of the crop's width (standard deviation)."""
CONFIDENCE = 0.9
SCORED_NOISE_SHARE = 0.1
"""Joints given to a scorer are off by up to so much of the person's height."""


def probe_inputs(manifest: Manifest, pictures: PictureSet, canvas: tuple[int, int]) -> Arrays:
    """All rows: one a picture for graphs that take canvases, one a person for those with crops.

    Where nobody knows the people of the pictures, a crop is the whole picture.

    Raises:
        ConfigError: if a refiner or a scorer is to be probed with pictures whose people nobody
            knows.
    """
    if manifest.stage in ("one_pass", "detector"):
        return {"canvas": pictures.on_canvas(canvas)}
    people = [(rgb, joints) for rgb, found in _pictures_and_joints(pictures) for joints in found]
    if manifest.stage == "scorer":
        return _scored_poses([_known(joints) for _, joints in people])
    places = [_crop(rgb, joints, canvas, manifest.crop_padding) for rgb, joints in people]
    inputs: Arrays = {
        "crops": np.stack(
            [_cut(rgb, place) for (rgb, _), place in zip(people, places, strict=True)]
        )
    }
    if manifest.stage == "refiner":
        inputs["poses"] = _poses(people, places)
    return inputs


def batch_of(inputs: Tensors, size: int) -> Arrays:
    """A batch of so many rows, over and over if there are fewer."""
    return {name: np.resize(values, (size, *values.shape[1:])) for name, values in inputs.items()}


def _pictures_and_joints(
    pictures: PictureSet,
) -> list[tuple[NDArray[np.uint8], list[Floats] | list[None]]]:
    if pictures.joints_px is None:
        return [(rgb, [None]) for rgb in pictures.pictures]
    return [
        (rgb, list(joints))
        for rgb, joints in zip(pictures.pictures, pictures.joints_px, strict=True)
    ]


def _crop(
    rgb: NDArray[np.uint8], joints: Floats | None, canvas: tuple[int, int], padding: float
) -> CropAffine:
    if joints is None:
        return crop_affine((0, 0, rgb.shape[1], rgb.shape[0]), *canvas, padding=1.0)
    low, high = joints.min(axis=0), joints.max(axis=0)
    border = BORDER_SHARE * (high[1] - low[1])
    left, top = low - border
    wide, tall = high - low + 2 * border
    return crop_affine((left, top, wide, tall), *canvas, padding=padding)


def _cut(rgb: NDArray[np.uint8], place: CropAffine) -> NDArray[np.uint8]:
    size = place.crop_width, place.crop_height
    grey = (CANVAS_GREY,) * 3
    cut = cv2.warpAffine(rgb, place.matrix(), size, flags=cv2.INTER_LINEAR, borderValue=grey)
    return cut.astype(np.uint8)


def _poses(
    people: list[tuple[NDArray[np.uint8], Floats | None]], places: list[CropAffine]
) -> Floats:
    """(N, 17, 3) joints in crop pixels, a little off, as a refiner gets them."""
    dice = np.random.default_rng(0)
    poses = []
    for (_, joints), place in zip(people, places, strict=True):
        known = _known(joints)
        noise = dice.normal(0, NOISE_SHARE * place.crop_width, known.shape)
        points = place.to_crop(known) + noise
        poses.append(np.column_stack([points, np.full(len(points), CONFIDENCE)]))
    return np.array(poses, np.float32)


def _scored_poses(people: list[Floats]) -> Arrays:
    """Poses (N, 17, 3) in picture pixels, more or less off and sure, and scores (N,)."""
    dice = np.random.default_rng(0)
    poses = []
    for joints in people:
        off = dice.uniform(0, SCORED_NOISE_SHARE) * np.ptp(joints[:, 1])
        points = joints + dice.normal(0, off, joints.shape)
        poses.append(np.column_stack([points, dice.uniform(0, 1, len(points))]))
    found = np.array(poses, np.float32)
    return {"poses": found, "scores": found[..., 2].mean(1)}


def _known(joints: Floats | None) -> Floats:
    if joints is None:
        raise ConfigError(
            "a refiner or a scorer needs poses, and nobody knows those of your pictures; leave "
            "--pictures out to take the drawn people"
        )
    return joints
