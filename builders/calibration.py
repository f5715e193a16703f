"""Pictures to quantise with, and the comparison that judges the outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.batch_ring import Arrays
from engines.bucket_engine import BucketEngine
from engines.certification.agreement import Agreement, Candidates, compare
from engines.certification.candidates import find_candidates, least_score, sigmas_of
from engines.certification.certify import ReferenceFinder
from engines.certification.picture_set import PictureSet
from engines.certification.probe import probe_inputs
from engines.engine import EngineSpec, Precision

MAX_PICTURES = 48
"""To calibrate with; more changed nothing in the ranges."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Every other picture gives ranges, the others judge: no picture does both."""

    artefact: Artefact
    canvas: tuple[int, int]
    ranges: tuple[Arrays, ...]
    """Inputs with batch 1."""
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
            min_score=least_score(manifest),
            sigmas=sigmas_of(manifest),
        )


def new_calibration(artefact: Artefact, pictures: PictureSet) -> Calibration:
    """Splits the pictures and asks the fp32 reference for its people."""
    canvas = artefact.manifest.canvases[0]
    some = pictures.part(slice(0, 2 * MAX_PICTURES, 2))
    judged = pictures.part(slice(1, None, 2)) if len(pictures.pictures) > 1 else some
    reference = ReferenceFinder(artefact)(judged, canvas)
    inputs = probe_inputs(artefact.manifest, some, canvas)
    rows = len(next(iter(inputs.values())))
    ranges = tuple(
        {name: values[row : row + 1] for name, values in inputs.items()} for row in range(rows)
    )
    return Calibration(artefact, canvas, ranges, judged, tuple(reference.people))
