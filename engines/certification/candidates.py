"""The people that an engine finds in a picture set, as poses, whatever the stage of the model."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest, StageName
from engines.certification.agreement import WEAK_SHARE, Candidates
from engines.certification.picture_set import PictureSet
from engines.certification.probe import probe_inputs
from engines.decoding.box_suppression import greedy_nms
from engines.decoding.suppression import select_people
from engines.engine import Engine, Tensors
from stream.skeleton import SKELETONS

Floats = NDArray[np.float32]

CORNER_SIGMAS = np.full(2, 0.1, np.float32)
"""A box is compared by two corners; alike as COCO's hips are (sigma 0.107)."""
BAR_PX = 100.0
"""A score is compared as a bar of this height, and of this width and as much again for a score of
1: a hundredth is a pixel."""


def find_candidates(engine: Engine, manifest: Manifest, pictures: PictureSet) -> list[Candidates]:
    """One entry a row of the inputs: a picture, a person's crop or pose; in its pixels.

    Raises:
        EngineError: if the engine fails.
        ConfigError: if the pictures do not fit the stage.
    """
    inputs = probe_inputs(manifest, pictures, engine.spec.canvas)
    rows, step = len(next(iter(inputs.values()))), max(engine.spec.batches)
    found: list[Candidates] = []
    for start in range(0, rows, step):
        some = {name: values[start : start + step] for name, values in inputs.items()}
        # NaN and infinity make no person: an engine that gives them misses everybody.
        outputs = {
            name: np.nan_to_num(values.astype(np.float32), posinf=0)
            for name, values in engine.infer(some).items()
        }
        found.extend(_READERS[manifest.stage](outputs, manifest))
    return found


def least_score(manifest: Manifest) -> float:
    """Whose score is above is a person; a crop or a pose always is one."""
    one_by_one = manifest.stage in ("top_down", "refiner", "scorer")
    return 0.0 if one_by_one else manifest.thresholds.min_score


def sigmas_of(manifest: Manifest) -> Floats:
    """(J,) how far apart the points of a candidate may be and still be alike."""
    if manifest.stage in ("detector", "scorer"):
        return CORNER_SIGMAS
    return SKELETONS[manifest.skeleton].sigmas


def _poses(outputs: Tensors, manifest: Manifest) -> Iterable[Candidates]:
    keypoints, scores = _floats(outputs, "keypoints"), _floats(outputs, "scores")
    weak = manifest.thresholds.model_copy(
        update={"min_score": WEAK_SHARE * manifest.thresholds.min_score}
    )
    selected = select_people(keypoints, scores, weak, sigmas_of(manifest))
    for row, (people, final) in enumerate(selected):
        yield Candidates(keypoints[row, people], final)


def _boxes(outputs: Tensors, manifest: Manifest) -> Iterable[Candidates]:
    """Two corners as keypoints, certain both."""
    weak = WEAK_SHARE * manifest.thresholds.min_score
    overlap = manifest.thresholds.nms_iou or 1.0
    rows = zip(_floats(outputs, "boxes"), _floats(outputs, "scores"), strict=True)
    for boxes, scores in rows:
        enough = np.flatnonzero(scores >= np.float32(weak))
        kept = enough[greedy_nms(boxes[enough], scores[enough], overlap)]
        corners = boxes[kept].reshape(-1, 2, 2)
        certain = np.ones((len(kept), 2, 1), np.float32)
        yield Candidates(np.concatenate([corners, certain], axis=2), scores[kept])


def _crops(outputs: Tensors, _manifest: Manifest) -> Iterable[Candidates]:
    for pose in _floats(outputs, "keypoints"):
        yield Candidates(pose[None], pose[None, :, 2].mean(axis=1))


def _bars(outputs: Tensors, _manifest: Manifest) -> Iterable[Candidates]:
    for score in _floats(outputs, "rescored"):
        corners = np.array([[0, 0, 1], [BAR_PX * (1 + score), BAR_PX, 1]], np.float32)
        yield Candidates(corners[None], np.ones(1, np.float32))


def _floats(outputs: Tensors, name: str) -> Floats:
    values: Floats = outputs[name].astype(np.float32)
    return values


_READERS: Mapping[StageName, Callable[[Tensors, Manifest], Iterable[Candidates]]] = (
    MappingProxyType(
        {
            "one_pass": _poses,
            "detector": _boxes,
            "top_down": _crops,
            "refiner": _crops,
            "scorer": _bars,
        }
    )
)
