"""What PoseFix learns from: crops, and poses with synthetic errors in them.

Joints that only a teacher knows well (weight 1) count as annotated; weaker ones are the stand-ins
for joints without annotation, as another model's results are in the released code.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from builders.evaluation.people import Floats
from builders.networks.posefix_synthesis import Indices, Scenes, synthesise
from builders.training.crops import MIN_OVERLAP, Crop, Crops, overlap

MOST_NEIGHBOURS = 3
ANNOTATED = 0.999
NEIGHBOUR_SHIFTS = (0.15, 0.5)
"""How far a pasted neighbour stands beside, in crop widths."""


class PoseFixExamples:
    """Crops with poses that have errors.

    Args:
        crops: of the training sets.
        neighbour_share: of the people who stand alone, how many get a neighbour pasted beside.
    """

    def __init__(self, crops: Crops, neighbour_share: float) -> None:
        self.crops = NeighbouredCrops(crops, neighbour_share)

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One example."""
        return self.of(self.crops.draw(rng), rng)

    def of(self, crop: Crop, rng: np.random.Generator) -> dict[str, Tensor]:
        """The example of a crop, with errors drawn anew."""
        return posefix_example(crop, rng)


@dataclass(frozen=True, slots=True)
class NeighbouredCrops:
    """Crops of which some have a neighbour from another picture.

    Sets of single people have nobody else to swap joints with.
    """

    crops: Crops
    share: float

    def draw(self, rng: np.random.Generator) -> Crop:
        """One crop."""
        crop = self.crops.draw(rng)
        if len(crop.others) or rng.random() >= self.share:
            return crop
        return beside(crop, self.crops.draw(rng), rng)


def beside(crop: Crop, other: Crop, rng: np.random.Generator) -> Crop:
    """A crop with another's person pasted to the left or right; unchanged if they do not overlap.

    The seam lies half-way between the two people.
    """
    width = crop.pixels.shape[1]
    side = 1 if rng.random() < 0.5 else -1
    shift = side * round(float(rng.uniform(*NEIGHBOUR_SHIFTS)) * width)
    joints = other.joints.copy()
    joints[:, 0] += shift
    if overlap(_extent(crop.joints), _extent(joints)) < MIN_OVERLAP:
        return crop
    middles = [float(_middle(each)) for each in (crop.joints, joints)]
    seam = int(np.clip(round(sum(middles) / 2), 0, width))
    moved = np.zeros_like(other.pixels)
    into = slice(max(0, shift), min(width, width + shift))
    moved[:, into] = other.pixels[:, slice(max(0, -shift), min(width, width - shift))]
    pasted = np.arange(width) >= seam
    if middles[1] < middles[0]:
        pasted = ~pasted
    pixels = np.where(pasted[None, :, None], moved, crop.pixels)
    return replace(crop, pixels=pixels, others=joints[None])


def posefix_example(crop: Crop, rng: np.random.Generator) -> dict[str, Tensor]:
    """What is learnt from a crop.

    Returns:
        `crops` (h, w, 3) uint8; `given` (17, 3) the pose with errors, 0 or 1 for drawn; `kinds`
        (17,) `Error` of each joint; `truth` (17, 2) crop pixels; `weight` (17,) of the loss.
    """
    given, kinds = with_errors(crop, rng)
    arrays = {
        "crops": crop.pixels,
        "given": given.astype(np.float32),
        "kinds": kinds,
        "truth": crop.joints[:, :2],
        "weight": crop.joints[:, 2] * _inside(crop),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}


def with_errors(crop: Crop, rng: np.random.Generator) -> tuple[np.ndarray, Indices]:
    """The crop's pose (17, 3) with errors, and which (17,): see `synthesise`."""
    annotated = (crop.joints[:, 2] > ANNOTATED) & _inside(crop)
    truth, stand_in = crop.joints.astype(np.float64), crop.joints.astype(np.float64)
    truth[:, 2] = annotated
    others = np.zeros((1, MOST_NEIGHBOURS, *truth.shape))
    near = crop.others[:MOST_NEIGHBOURS]
    others[0, : len(near)] = near
    scenes = Scenes(
        truth[None],
        stand_in[None],
        others,
        np.array([crop.area_px2]),
        np.array([len(crop.others)]),
    )
    poses, kinds = synthesise(scenes, rng)
    return poses[0], kinds[0]


def _inside(crop: Crop) -> np.ndarray:
    height, width = crop.pixels.shape[:2]
    xy = crop.joints[:, :2]
    inside = (xy >= 0) & (xy < np.array([width, height]))
    return np.asarray(inside.all(-1))


def _extent(joints: Floats) -> Floats:
    """x, y, w, h of the known joints."""
    known = joints[joints[:, 2] > 0, :2]
    low = known.min(0)
    return np.concatenate((low, known.max(0) - low))


def _middle(joints: Floats) -> float:
    box = _extent(joints)
    return float(box[0] + box[2] / 2)
