"""How the rows of a batch run through OpenVINO: one picture on all threads, several side by side.

A batch is no graph of its own: its rows are requests to a graph for one picture, which several
streams of threads work on at once. Threads that share one picture wait for each other at every
layer, and all of them for the slowest; threads with pictures of their own do not. On a quiet
machine that is worth 3 % (`tests/bench/results/engine_pairs.json`), beside other programs more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.batch_ring import Arrays, RunBatch
from engines.engine import Tensors
from stream.errors import EngineError


@contextmanager
def openvino_errors(what: str) -> Iterator[None]:
    """Errors of OpenVINO as ours.

    Raises:
        EngineError: instead of a RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        raise EngineError(f"{what}: {error}") from error


def run_rows(compiled: Mapping[int, Any]) -> RunBatch:
    """Runs single pictures on the graph with the fewest streams, batches on that with the most.

    Args:
        compiled: by its number of streams, a compiled graph for one picture.
    """
    single, batch = (_Requests(compiled[of], of) for of in (min(compiled), max(compiled)))

    def run(inputs: Arrays) -> Tensors:
        rows = len(next(iter(inputs.values())))
        with openvino_errors("openvino failed on a picture"):
            return single.one(inputs) if rows == 1 else batch.many(inputs, rows)

    return run


class _Requests:
    """The requests of one compiled graph, one for each stream."""

    def __init__(self, compiled: Any, streams: int) -> None:
        self._requests = [compiled.create_infer_request() for _ in range(streams)]
        self._names = [output.get_any_name() for output in compiled.outputs]

    def one(self, inputs: Arrays) -> Tensors:
        """One picture; what it returns belongs to the request."""
        request = self._requests[0]
        request.infer(inputs, share_inputs=True, share_outputs=True)
        return self._outputs(request)

    def many(self, inputs: Arrays, rows: int) -> Tensors:
        """All rows, as many at once as there are streams; waits for all, also after an error."""
        found: list[Tensors] = []
        try:
            for row in range(rows):
                if row >= len(self._requests):
                    found.append(self._finished(row - len(self._requests)))
                some = {name: array[row : row + 1] for name, array in inputs.items()}
                self._request(row).start_async(some, share_inputs=True)
            found.extend(self._finished(row) for row in range(len(found), rows))
        finally:
            self._wait_for_all()
        return {name: np.concatenate([one[name] for one in found]) for name in self._names}

    def _request(self, row: int) -> Any:
        return self._requests[row % len(self._requests)]

    def _finished(self, row: int) -> Tensors:
        request = self._request(row)
        request.wait()
        return {name: array.copy() for name, array in self._outputs(request).items()}

    def _wait_for_all(self) -> None:
        for request in self._requests:
            request.wait()

    def _outputs(self, request: Any) -> dict[str, NDArray[np.generic]]:
        return {name: np.asarray(request.get_tensor(name).data) for name in self._names}
