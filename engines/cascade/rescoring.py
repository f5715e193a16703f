"""The last stage of a cascade: how good a pose is, told from its shape and its confidences."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.artefact import NO_PICTURE, Artefact
from engines.canvas_stage import EngineFactory, Observer, observe_nothing
from engines.cascade.first_stage import PeopleSoFar
from engines.engine import EngineSpec
from engines.lazy_engine import LazyEngine
from stream.clock import Clock
from stream.errors import EngineError

Floats = NDArray[np.float32]

SCORE_BATCHES = (16,)
"""To compile for: sixteen poses take ONNX Runtime no longer than one (0.1 ms; OpenVINO works row by
row, 0.06 ms a pose), and with one size a pose gets the same to the bit in any company."""


class ScoreStage:
    """Gives people new scores; its engine is opened when the first pose comes, or by `prepare`.

    Args:
        artefact: a scorer.
        make_engine: opens its engine.
        clock: measures.
        observe: told the seconds, as a part of `post`.
    """

    def __init__(
        self,
        artefact: Artefact,
        make_engine: EngineFactory,
        *,
        clock: Clock,
        observe: Observer = observe_nothing,
    ) -> None:
        self._manifest = artefact.manifest
        self._clock, self._observe = clock, observe
        self._engine = LazyEngine(self._manifest.name, lambda: make_engine(NO_PICTURE))

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engine, if it was opened."""
        return self._engine.specs

    def prepare(self) -> EngineSpec:
        """Opens the engine now, so that nobody waits for it.

        Raises:
            EngineError: if it cannot be opened, or after `close`.
        """
        return self._engine.opened().spec

    def run(self, people: Sequence[PeopleSoFar], least: np.float32) -> list[PeopleSoFar]:
        """Those who are people by their new scores, best first; all poses ride in one batch.

        Args:
            people: of each frame.
            least: score that makes a person.

        Raises:
            EngineError: if the engine fails or gives NaN or infinity, or after `close`.
        """
        start = self._clock.monotonic()
        poses = np.concatenate([one.poses for one in people])
        scores = np.concatenate([one.scores for one in people])
        if not len(scores):
            return list(people)
        found = self._engine.opened().infer({"poses": poses, "scores": scores})["rescored"]
        if not np.isfinite(found).all():
            raise EngineError(
                f"model {self._manifest.name} gave NaN or infinity for some of {len(found)} "
                "poses; try another precision or engine"
            )
        ends = np.cumsum([len(one.scores) for one in people])[:-1]
        parts = np.split(found.astype(np.float32).clip(0, 1), ends)
        told = [_told(one, new, least) for one, new in zip(people, parts, strict=True)]
        self._observe("post", self._clock.monotonic() - start)
        return told

    def close(self) -> None:
        """Frees the engine; a second call does nothing, `run` afterwards raises EngineError."""
        self._engine.close()


def _told(people: PeopleSoFar, scores: Floats, least: np.float32) -> PeopleSoFar:
    best_first = np.argsort(-scores, kind="stable")
    rows = best_first[scores[best_first] >= least]
    return replace(people, scores=scores).chosen(rows)
