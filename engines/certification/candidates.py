"""The people that an engine finds in a picture set."""

from collections.abc import Iterable

import numpy as np

from engines.artefact import Manifest
from engines.certification.agreement import WEAK_SHARE, Candidates
from engines.certification.picture_set import PictureSet
from engines.decoding.suppression import select_people
from engines.engine import Engine, Tensors
from stream.skeleton import SKELETONS


def find_candidates(engine: Engine, manifest: Manifest, pictures: PictureSet) -> list[Candidates]:
    """One entry a picture, in canvas pixels.

    Raises:
        EngineError: if the engine fails.
    """
    canvases = pictures.on_canvas(engine.spec.canvas)
    step = max(engine.spec.batches)
    found: list[Candidates] = []
    for start in range(0, len(canvases), step):
        outputs = engine.infer({"canvas": canvases[start : start + step]})
        found.extend(_people(outputs, manifest))
    return found


def _people(outputs: Tensors, manifest: Manifest) -> Iterable[Candidates]:
    # NaN and infinity make no person: an engine that gives them misses everybody.
    keypoints = np.nan_to_num(outputs["keypoints"].astype(np.float32))
    scores = np.nan_to_num(outputs["scores"].astype(np.float32), posinf=0)
    weak = manifest.thresholds.model_copy(
        update={"min_score": WEAK_SHARE * manifest.thresholds.min_score}
    )
    sigmas = SKELETONS[manifest.skeleton].sigmas
    selected = select_people(keypoints, scores, weak, sigmas)
    for row, (people, final) in enumerate(selected):
        yield Candidates(keypoints[row, people], final)
