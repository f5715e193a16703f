"""How batches run through OpenVINO: rows side by side, and the next batch behind the one before.

A batch is no graph of its own: its rows are requests to a graph for one picture, which several
streams of threads work on at once. Threads that share one picture wait for each other at every
layer, and all of them for the slowest; threads with pictures of their own do not. On a quiet
machine that is worth 3 % (`tests/bench/results/engine_pairs.json`), beside other programs more.

Two batches may be under way. Rows of the second one wait in OpenVINO's own line, so that its
threads have work while Python draws the next canvases, and while another row takes longer.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.batch_ring import Arrays, Slots
from engines.engine import Tensors
from stream.errors import EngineError

ROWS_AHEAD = 2
"""Rows of one batch that are handed over for each stream of threads: one computes, one waits."""


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


def row_slots(compiled: Mapping[int, Any], sizes: Sequence[int], in_flight: int) -> Slots:
    """Single pictures ride on the graph with the fewest streams, batches on that with the most.

    Args:
        compiled: by its number of streams, a compiled graph for one picture.
        sizes: of batches.
        in_flight: batches that may be under way at once.
    """
    lines = {streams: _Line(graph, ROWS_AHEAD * streams) for streams, graph in compiled.items()}
    single, batch = lines[min(lines)], lines[max(lines)]
    return {
        size: [_RowSlot(single if size == 1 else batch) for _ in range(in_flight)] for size in sizes
    }


class _Request:
    """One picture on its way; owns its inputs."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = [output.get_any_name() for output in compiled.outputs]
        self._inputs: dict[str, NDArray[np.generic]] = {
            port.get_any_name(): self._request.get_tensor(port).data for port in compiled.inputs
        }

    def start(self, inputs: Arrays, row: int) -> None:
        for name, place in self._inputs.items():
            place[:] = inputs[name][row : row + 1]
        self._request.start_async()

    def wait(self) -> None:
        self._request.wait()

    def outputs(self) -> Tensors:
        """Valid until the next `start`."""
        return {name: np.asarray(self._request.get_tensor(name).data) for name in self._outputs}


@dataclass(slots=True, eq=False)
class _Line:
    """A compiled graph and its requests; more are made when all are under way."""

    compiled: Any
    most: int
    """Requests of one batch that are under way at once."""
    free: list[_Request] = field(default_factory=list)

    def take(self) -> _Request:
        return self.free.pop() if self.free else _Request(self.compiled)


class _RowSlot:
    """Implements `Slot`: a request for each row, as far as there are so many."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._under_way: deque[_Request] = deque()
        self._found: list[Tensors] = []

    def start(self, inputs: Arrays) -> None:
        """See `Slot.start`; of many rows the first ones are waited for."""
        with self._errors():
            for row in range(len(next(iter(inputs.values())))):
                if len(self._under_way) == self._line.most:
                    self._settle_oldest()
                request = self._line.take()
                request.start(inputs, row)
                self._under_way.append(request)

    def finish(self) -> Tensors:
        """See `Slot.finish`."""
        with self._errors():
            while self._under_way:
                self._settle_oldest()
        found, self._found = self._found, []
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def _settle_oldest(self) -> None:
        request = self._under_way.popleft()
        self._line.free.append(request)  # whether it failed or not, it is over after `wait`
        request.wait()
        self._found.append({name: array.copy() for name, array in request.outputs().items()})

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """After an error all rows are waited for: the slot is free again."""
        try:
            with openvino_errors("openvino failed on a picture"):
                yield
        except BaseException:
            while self._under_way:
                with suppress(RuntimeError):  # one error is told
                    self._settle_oldest()
            self._found = []
            raise
