"""An engine that tells how pixels came to it, and how many bytes of results it gave out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device_tensors import is_tensor
from engines.engine import Engine, EngineSpec, Tensors
from engines.pending import Pending, submitted
from stream.pixel_copies import CopyStep, Traffic

PROCESSOR = "cpu"


class WatchedEngine:
    """Implements `OverlappingEngine` with another engine.

    Args:
        engine: does the work.
        traffic: told of each batch; rows that only fill a batch up are left out.
    """

    def __init__(self, engine: Engine, traffic: Traffic) -> None:
        self._engine, self._traffic = engine, traffic

    @property
    def spec(self) -> EngineSpec:
        """See `Engine.spec`."""
        return self._engine.spec

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        """See `Engine.infer`."""
        return self.submit(inputs).result()

    def submit(self, inputs: Tensors) -> Pending:
        """See `OverlappingEngine.submit`."""
        pending = submitted(self._engine, inputs)
        for values in inputs.values():
            self._tell_way(values)
        return _WatchedBatch(pending, self)

    def gave_out(self, results: Tensors) -> None:
        """Results of a batch were asked for."""
        size_bytes = sum(array.nbytes for array in results.values())
        self._traffic.results_left(self.spec.model, size_bytes)

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()

    def _tell_way(self, values: Any) -> None:
        """How a batch of pixels came; poses are none."""
        if str(values.dtype).removeprefix("torch.") != "uint8":
            return
        for step in _steps(values, on_processor=self.spec.device == PROCESSOR):
            self._traffic.copied(step, int(values.shape[0]), int(values.nbytes))


def _steps(values: Any, *, on_processor: bool) -> list[CopyStep]:
    if not is_tensor(values):
        return [CopyStep.RENDER, *([] if on_processor else [CopyStep.UPLOAD])]
    # A tensor on the GPU is taken as it is; an engine on the processor has to fetch it.
    return [CopyStep.FETCH] if on_processor and values.device.type != PROCESSOR else []


class _WatchedBatch:
    """Implements `Pending`; tells once."""

    def __init__(self, pending: Pending, engine: WatchedEngine) -> None:
        self._pending, self._engine = pending, engine
        self._is_told = False

    def result(self) -> dict[str, NDArray[np.generic]]:
        found = self._pending.result()
        if not self._is_told:
            self._is_told = True
            self._engine.gave_out(found)
        return found
