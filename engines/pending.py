"""Batches that are under way: engines that may have several of them, and what they give back."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engines.batch_ring import Arrays, BatchRing, Passage
from engines.engine import Engine, Tensors


class Pending(Protocol):
    """Results of a batch that was handed to an engine."""

    def result(self) -> dict[str, NDArray[np.generic]]:
        """Waits for them; see `Engine.infer`. Also after the engine was closed.

        Raises:
            EngineError: if this very batch failed.
        """
        ...


@runtime_checkable
class OverlappingEngine(Engine, Protocol):
    """An engine that takes the next batch before the last one is over."""

    def submit(self, inputs: Tensors) -> Pending:
        """As `infer`, without waiting for the results.

        The caller may overwrite the inputs at once. Up to `spec.in_flight` batches are under way;
        one more waits for the oldest. Results come in the order of the batches, are those of
        `infer` and may be asked for at any time.

        Raises:
            EngineError: if names, shapes or types differ from the manifest, or after `close`.
        """
        ...


class PendingBatch:
    """Implements `Pending`: the rows of a batch, which may have been split over several rides."""

    def __init__(self, ring: BatchRing, passages: Sequence[Passage], results: Arrays) -> None:
        self._ring, self._passages, self._results = ring, passages, results

    def result(self) -> Arrays:
        """See `Pending.result`."""
        for passage in self._passages:
            self._ring.wait(passage)
        return self._results


class _Computed:
    """Implements `Pending` for what was there at once."""

    def __init__(self, results: dict[str, NDArray[np.generic]]) -> None:
        self._results = results

    def result(self) -> dict[str, NDArray[np.generic]]:
        return self._results


def submitted(engine: Engine, inputs: Tensors) -> Pending:
    """The batch, under way where the engine can overlap, else computed.

    Raises:
        EngineError: as `Engine.infer`.
    """
    if isinstance(engine, OverlappingEngine):
        return engine.submit(inputs)
    return _Computed(engine.infer(inputs))
