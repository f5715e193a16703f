"""Random crops of single people, as top-down networks are trained.

Source: leoxiaobin/deep-high-resolution-net.pytorch, `lib/dataset/JointsDataset.py`: scale,
rotation, mirror image, half body; besides the camera faults of `augment.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from builders.evaluation.people import Floats, Rgb, read_rgb
from builders.training.augment import camera_faults
from builders.training.dataset import TrainingSet
from builders.training.labels import LabelledPicture, Person
from stream.errors import ConfigError
from stream.geometry import CropAffine, crop_affine
from stream.skeleton import COCO_17

UPPER_BODY = tuple(range(11))
LOWER_BODY = tuple(range(11, 17))
HALF_BODY_PADDING = 1.5
HALF_BODY_JOINTS = 8
"""People with more known joints may be cut to one half."""
MIN_OVERLAP = 0.1
"""Intersection over union of the boxes of neighbours (PoseFix)."""


@dataclass(frozen=True, slots=True)
class CropSettings:
    """Size and ranges; the defaults are HRNet's, without camera faults."""

    width: int = 192
    height: int = 256
    padding: float = 1.25
    """Of the box, in training and in validation: `crop_affine`."""
    scale: float = 0.35
    """The crop's size varies by a factor of 1 +- this, a clipped normal."""
    rotation_degrees: float = 45.0
    """Deviation of a normal, clipped at twice of it."""
    rotation_share: float = 0.6
    mirror_share: float = 0.5
    half_body_share: float = 0.3
    edge_jitter: float = 0.0
    """Deviation of each edge of the box, in shares of its side, a normal clipped at twice of it:
    detectors' boxes are never the labelled ones (ours)."""
    camera: float = 0.0
    """Probability of each kind of camera fault; 0 for none."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A picture of one person and what is known of it."""

    pixels: Rgb
    """(height, width, 3)."""
    joints: Floats
    """(17, 3) x, y in crop pixels, and the weight, 0 where the place is not known."""
    area_px2: float
    """Area of the person's box in crop pixels."""
    others: Floats = field(default_factory=lambda: np.zeros((0, 17, 3), np.float32))
    """(S, 17, 3) likewise of the people whose boxes overlap the person's."""


class Crops:
    """An endless row of crops: a set by its share, a person of it, a random crop.

    Args:
        sets: where people come from; those of share 0 are left out.
        settings: size and ranges.
    """

    def __init__(self, sets: Sequence[TrainingSet], settings: CropSettings) -> None:
        drawn = [item for item in sets if item.share > 0]
        self._people = [people_of_set(item) for item in drawn]
        for item, people in zip(drawn, self._people, strict=True):
            if not people:
                raise ConfigError(f"training set {item.name}: nobody has known joints")
        if not drawn:
            raise ConfigError("no training set has a share above 0")
        shares = np.array([item.share for item in drawn])
        self._shares, self._settings = shares / shares.sum(), settings

    def draw(self, rng: np.random.Generator) -> Crop:
        """One crop."""
        people = self._people[int(rng.choice(len(self._shares), p=self._shares))]
        picture, person = people[int(rng.integers(len(people)))]
        near = overlapping(person, picture.people)
        return random_crop(read_rgb(picture.path), person, self._settings, rng, near)


def people_of_set(item: TrainingSet) -> list[tuple[LabelledPicture, Person]]:
    """Everybody with known joints and a box, beside the picture."""
    return [
        (picture, person)
        for picture in item.pictures
        for person in picture.people
        if not person.ignored and min(person.box[2:]) > 1
    ]


def overlapping(person: Person, people: Sequence[Person]) -> list[Person]:
    """The others with known joints whose boxes share a tenth or more with the person's."""
    known = [other for other in people if other is not person and not other.ignored]
    return [other for other in known if overlap(person.box, other.box) >= MIN_OVERLAP]


def overlap(first: Floats, second: Floats) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    shared = float(np.maximum(high - low, 0).prod())
    whole = float(first[2:].prod() + second[2:].prod()) - shared
    return shared / whole if whole > 0 else 0.0


def random_crop(
    rgb: Rgb,
    person: Person,
    settings: CropSettings,
    rng: np.random.Generator,
    others: Sequence[Person] = (),
) -> Crop:
    """A crop of the person at random scale and rotation, at times mirrored or of half a body."""
    known = person.keypoints[:, 2] > 0
    box = jittered(person.box, settings.edge_jitter, rng)
    affine = crop_affine(box.tolist(), settings.width, settings.height, settings.padding)
    if known.sum() > HALF_BODY_JOINTS and rng.random() < settings.half_body_share:
        affine = _half_body(person, settings, rng) or affine
    factor = np.clip(rng.normal(1, settings.scale), 1 - settings.scale, 1 + settings.scale)
    turn = np.clip(rng.normal(), -2, 2) * settings.rotation_degrees
    turned = rng.random() < settings.rotation_share
    affine = replace(
        affine,
        width_px=affine.width_px * float(factor),
        rotation_degrees=float(turn) if turned else 0.0,
    )
    crop = plain_crop(rgb, person, affine, others)
    if rng.random() < settings.mirror_share:
        crop = mirrored_crop(crop)
    if settings.camera > 0:
        crop = replace(crop, pixels=camera_faults(crop.pixels, settings.camera, rng))
    return crop


def jittered(box: Floats, deviation: float, rng: np.random.Generator) -> Floats:
    """A box x, y, w, h whose edges have moved, each by its own share of the side."""
    if deviation == 0:
        return box
    moves = np.clip(rng.normal(0, deviation, (2, 2)), -2 * deviation, 2 * deviation)
    low, sides = box[:2] + moves[0] * box[2:], (1 + moves[1] - moves[0]) * box[2:]
    return np.concatenate([low, sides]).astype(np.float32)


def plain_crop(rgb: Rgb, person: Person, affine: CropAffine, others: Sequence[Person] = ()) -> Crop:
    """What lies in the affine; joints outside keep their place, black lies beyond the picture."""
    size = (affine.crop_width, affine.crop_height)
    pixels = cv2.warpAffine(rgb, affine.matrix(), size, flags=cv2.INTER_LINEAR)
    joints = np.stack([each.keypoints for each in (person, *others)])
    joints[..., :2] = affine.to_crop(joints[..., :2].reshape(-1, 2)).reshape(-1, 17, 2)
    zoom = affine.crop_width / affine.width_px
    area = float(person.box[2] * person.box[3]) * zoom * zoom
    return Crop(np.asarray(pixels, np.uint8), joints[0], area, joints[1:])


def mirrored_crop(crop: Crop) -> Crop:
    """The mirror image; left joints become right ones."""
    order = COCO_17.flip_order()
    people = np.concatenate((crop.joints[None], crop.others))[:, order]
    people[..., 0] = crop.pixels.shape[1] - 1 - people[..., 0]
    pixels = np.ascontiguousarray(crop.pixels[:, ::-1])
    return replace(crop, pixels=pixels, joints=people[0], others=people[1:])


def _half_body(
    person: Person, settings: CropSettings, rng: np.random.Generator
) -> CropAffine | None:
    """A crop of the known joints of one half; None if it has fewer than three."""
    known = person.keypoints[:, 2] > 0
    upper, lower = ([j for j in half if known[j]] for half in (UPPER_BODY, LOWER_BODY))
    half = upper if rng.random() < 0.5 and len(upper) > 2 else lower
    half = half if len(half) > 2 else upper
    if len(half) < 3:
        return None
    points = person.keypoints[half, :2].astype(np.float64)
    sides = np.maximum(np.ptp(points, axis=0), 1.0)
    box = (*(points.mean(0) - sides / 2), *sides)
    return crop_affine(box, settings.width, settings.height, HALF_BODY_PADDING)
