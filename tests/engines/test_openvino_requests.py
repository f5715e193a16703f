"""Rows of batches as requests, on a made-up graph that fails at rows it is told."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.batch_ring import BatchRing
from engines.engine import Tensors
from engines.openvino_requests import row_slots
from stream.errors import EngineError


class Place:
    """A port of the graph, or the tensor behind it."""

    def __init__(self, name: str) -> None:
        self.data = np.zeros((1, 2), np.int64)
        self._name = name

    def get_any_name(self) -> str:
        return self._name


class Request:
    """Gives the double of what it was given when it began."""

    def __init__(self, graph: "Graph") -> None:
        self._graph = graph
        self._tensors = {"in": Place("in"), "out": Place("out")}
        self._is_busy = False

    def get_tensor(self, port: Place | str) -> Place:
        return self._tensors[port if isinstance(port, str) else port.get_any_name()]

    def start_async(self) -> None:
        assert not self._is_busy, "it is under way"
        if self._value in self._graph.fails_to_start:
            raise RuntimeError(f"{self._value} cannot begin")
        self._is_busy = True
        self._graph.busy += 1
        self._graph.most = max(self._graph.most, self._graph.busy)

    def wait(self) -> None:
        assert self._is_busy, "nothing to wait for"
        self._is_busy = False
        self._graph.busy -= 1
        if self._value in self._graph.fails:
            raise RuntimeError(f"{self._value} failed")
        self._tensors["out"].data[:] = 2 * self._tensors["in"].data

    @property
    def _value(self) -> int:
        return int(self._tensors["in"].data[0, 0])


class Graph:
    """Stands for a compiled model with one input and one output."""

    def __init__(self, fails_to_start: set[int], fails: set[int]) -> None:
        self.fails_to_start, self.fails = fails_to_start, fails
        self.inputs, self.outputs = [Place("in")], [Place("out")]
        self.made = self.busy = self.most = 0

    def create_infer_request(self) -> Any:
        self.made += 1
        return Request(self)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), max_size=8),
    fails_to_start=st.sets(st.integers(0, 30), max_size=3),
    fails=st.sets(st.integers(0, 30), max_size=3),
)
def test_every_batch_gets_its_own_rows_or_error_and_requests_are_used_again(
    sizes: list[int], fails_to_start: set[int], fails: set[int]
) -> None:
    single, batch = Graph(fails_to_start, fails), Graph(fails_to_start, fails)
    ring = BatchRing(row_slots({1: single, 2: batch}, range(1, 8), in_flight=2))
    found: dict[int, list[list[int]]] = {}
    passages, first = [], 0
    for number, size in enumerate(sizes):
        rows = np.arange(first, first + size)[:, None].repeat(2, 1)

        def keep(outputs: Tensors, number: int = number) -> None:
            found[number] = outputs["out"].tolist()

        passages.append((ring.send(size, {"in": rows}, keep), rows.copy()))
        rows[:] = -1  # the caller may do so
        first += size
    for number, (passage, rows) in enumerate(passages):
        if (fails | fails_to_start) & set(rows[:, 0].tolist()):
            with pytest.raises(EngineError, match="openvino failed on a picture"):
                ring.wait(passage)
        else:
            ring.wait(passage)
            assert found[number] == (2 * rows).tolist()
    assert (single.busy, batch.busy) == (0, 0)
    assert single.most <= 2 * 2
    assert batch.most <= 2 * 4
