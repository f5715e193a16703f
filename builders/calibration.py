"""Pictures to quantise with, and the comparison that judges the outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.bucket_engine import BucketEngine
from engines.certification.agreement import Agreement, Candidates, compare
from engines.certification.candidates import find_candidates
from engines.certification.certify import ReferenceFinder
from engines.certification.picture_set import PictureSet
from engines.engine import EngineSpec, Precision
from stream.skeleton import SKELETONS

MAX_PICTURES = 48
"""To calibrate with; more changed nothing in the ranges."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Every other picture gives ranges, the others judge: no picture does both."""

    artefact: Artefact
    canvas: tuple[int, int]
    ranges: NDArray[np.uint8]
    """(N, H, W, 3)"""
    judged: PictureSet
    people: tuple[Candidates, ...]
    """Of the reference, on the judged pictures."""

    def agreement(
        self, run: Callable[[Mapping[str, NDArray[np.generic]]], Mapping[str, Any]]
    ) -> Agreement:
        """How the people of a candidate graph (batch 1) differ from those of the reference."""
        manifest = self.artefact.manifest
        spec = EngineSpec("candidate", "0", manifest.name, Precision.INT8, 1, self.canvas)
        engine = BucketEngine(spec, manifest, run)
        found = find_candidates(engine, manifest, self.judged)
        return compare(
            self.people,
            found,
            min_score=manifest.thresholds.min_score,
            sigmas=SKELETONS[manifest.skeleton].sigmas,
        )


def new_calibration(artefact: Artefact, pictures: PictureSet) -> Calibration:
    """Splits the pictures and asks the fp32 reference for its people."""
    canvas = artefact.manifest.canvases[0]
    some = PictureSet(pictures.name, pictures.pictures[::2][:MAX_PICTURES])
    judged = PictureSet(f"{pictures.name}, judged", pictures.pictures[1::2] or some.pictures)
    reference = ReferenceFinder(artefact)(judged, canvas)
    return Calibration(artefact, canvas, some.on_canvas(canvas), judged, tuple(reference.people))
