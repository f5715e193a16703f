"""An engine over a graph that is compiled for a few batch sizes; what most engines share.

On a processor a graph for one picture is the best: measured on 2 cores (512x288,
`tests/bench/bench_engines.py`), called in a loop it is as fast as a dynamic batch on a quiet
machine and up to a third faster on a busy one, because the activations of one picture stay in the
cache, and it takes a fraction of the memory. What makes batches worth while there is to run their
rows side by side (`engines/openvino_requests.py`).

A picture's result never depends on its neighbours or on the padding: rows of a batch do not meet.
With one bucket it is the same to the bit in every batch. Between buckets a device may sum in
another order; the difference is that of rounding (the contract test holds 1e-3 px in fp32).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Manifest
from engines.batch_ring import Arrays, BatchRing, RunBatch, Slots, direct_slots
from engines.device_tensors import is_tensor, on_processor, padded_tensor
from engines.engine import EngineSpec, Tensors
from engines.pending import PendingBatch
from engines.shape_buckets import Ride, rides
from engines.tensor_check import check_tensors, fixed_inputs, row_bytes
from stream.errors import EngineError


def _nothing_to_close() -> None:
    """For engines whose graph is freed when nobody holds it any more."""


class BucketEngine:
    """Implements `OverlappingEngine` over what runs batches of fixed sizes.

    Args:
        spec: what the engine is; `spec.batches` are its buckets.
        manifest: names, types and shapes that inputs and outputs must have.
        work: slots for each bucket, where batches overlap; else a function that runs one batch.
            Owns the compiled graph; dropping it frees the graph.
        close: frees what dropping does not; called once.

    Raises:
        EngineError: if the graph fails on blank pictures, or gives other outputs than the
            manifest says.
    """

    def __init__(
        self,
        spec: EngineSpec,
        manifest: Manifest,
        work: RunBatch | Slots,
        close: Callable[[], None] = _nothing_to_close,
    ) -> None:
        self._inputs = fixed_inputs(manifest, spec.canvas)
        slots = direct_slots(spec.batches, work) if callable(work) else work
        self._ring: BatchRing | None = BatchRing(slots)
        self._spec = replace(spec, in_flight=self._ring.depth)
        self._close = close
        # Blank pictures warm every slot up and show the shapes of the outputs.
        for bucket in spec.batches:
            for slot in slots[bucket]:
                slot.start(self._blank(bucket))
                warm = dict(slot.finish())
                check_tensors(f"{self._title} outputs", manifest.outputs, warm)
                self._outputs = {
                    name: (array.shape[1:], array.dtype) for name, array in warm.items()
                }
                self._spec = replace(self._spec, result_bytes=row_bytes(warm))

    @property
    def spec(self) -> EngineSpec:
        """See `Engine.spec`."""
        return self._spec

    def infer(self, inputs: Tensors) -> Arrays:
        """See `Engine.infer`; a batch of 0 gives outputs of 0."""
        return self.submit(inputs).result()

    def submit(self, inputs: Tensors) -> PendingBatch:
        """See `OverlappingEngine.submit`; where nothing overlaps, the batch is computed here."""
        if self._ring is None:
            raise EngineError(f"{self._title} was closed; open a new engine")
        batch = check_tensors(f"{self._title} inputs", self._inputs, inputs)
        if self._spec.device == "cpu":
            inputs = on_processor(inputs)
        results: Arrays = {
            name: np.empty((batch, *shape), dtype) for name, (shape, dtype) in self._outputs.items()
        }
        passages = [
            self._ring.send(
                ride.bucket, self._rows(inputs, ride), partial(self._keep, results, ride)
            )
            for ride in rides(batch, self._spec.batches)
        ]
        return PendingBatch(self._ring, passages, results)

    def close(self) -> None:
        """See `Engine.close`; waits for what is under way, whose results stay to be had."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None
            self._close()

    @property
    def _title(self) -> str:
        return f"engine {self._spec.engine} of model {self._spec.model}"

    def _blank(self, bucket: int) -> Arrays:
        return {
            wanted.name: np.zeros([bucket, *(side or 1 for side in wanted.shape[1:])], wanted.dtype)
            for wanted in self._inputs
        }

    def _rows(self, inputs: Tensors, ride: Ride) -> Arrays:
        """The rows of a ride, contiguous, padded up to its bucket."""
        return {
            name: _padded(array[ride.start : ride.stop], ride.padding)
            for name, array in inputs.items()
        }

    def _keep(
        self, results: Arrays, ride: Ride, outputs: Mapping[str, NDArray[np.generic]]
    ) -> None:
        for name, result in results.items():
            output = outputs[name]
            if output.shape[1:] != result.shape[1:]:
                raise EngineError(
                    f"{self._title}: output {name} changed its shape from {result.shape[1:]} to "
                    f"{output.shape[1:]}; the graph must give a fixed number of candidates"
                )
            result[ride.start : ride.stop] = output[: ride.stop - ride.start]


def _padded(rows: NDArray[np.generic], padding: int) -> NDArray[np.generic]:
    if is_tensor(rows):
        return padded_tensor(rows, padding)
    if not padding:
        return np.ascontiguousarray(rows)
    blank: Sequence[int] = (padding, *rows.shape[1:])
    return np.concatenate([rows, np.zeros(blank, rows.dtype)])
