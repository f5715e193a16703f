"""Buffers of a batch on its way: the code of a GPU, though nothing overlaps on this device."""

import logging
import re
from functools import partial
from typing import Any

import numpy as np
import pytest

from engines.artefact import TensorSpec
from engines.batch_ring import BatchRing
from engines.cuda_batch import CudaBatch, open_slots
from engines.engine import Tensors
from stream.errors import EngineError

torch = pytest.importorskip("torch", reason="posestream[gpu] is not installed")

INPUTS = (TensorSpec(name="canvas", dtype="uint8", shape=(2, 4)),)
OUTPUTS = (TensorSpec(name="scores", dtype="float32", shape=(2,)),)


def summing(batch: CudaBatch, _cuda_stream: int) -> None:
    if int(batch.inputs["canvas"][0, 0]) == 13:
        raise RuntimeError("CUDA error: made to fail")
    batch.keep_outputs({"scores": batch.inputs["canvas"].float().sum(1)})


def opened(*, record: bool = False) -> CudaBatch:
    batch = CudaBatch(INPUTS, OUTPUTS, "cpu")
    batch.prepare(partial(summing, batch), record=record)
    return batch


def rows(first: int) -> Any:
    return np.array([[first, 1, 1, 1], [first, 2, 2, 2]], np.uint8)


def test_batches_go_through_pinned_buffers_that_are_the_slots_own() -> None:
    ring = BatchRing({2: [opened() for _ in range(3)]})
    kept: dict[int, list[float]] = {}

    def keep(number: int, outputs: Tensors) -> None:
        kept[number] = outputs["scores"].tolist()

    passages = []
    for number in range(7):
        pixels = rows(number)
        # Every other one is on the device already.
        given = torch.from_numpy(pixels.copy()) if number % 2 else pixels
        passages.append(ring.send(2, {"canvas": given}, partial(keep, number)))
        pixels[:] = 99  # the caller may
    for passage in passages:
        ring.wait(passage)
    assert kept == {number: [number + 3.0, number + 6.0] for number in range(7)}


def test_a_batch_that_fails_says_so_and_its_buffers_serve_the_next_one() -> None:
    batch = opened()
    with pytest.raises(EngineError, match="the GPU failed: CUDA error: made to fail"):
        batch.start({"canvas": rows(13)})
    batch.start({"canvas": rows(2)})
    assert batch.finish()["scores"].tolist() == [5, 8]


def test_work_that_cannot_be_recorded_runs_plainly_and_the_reason_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is an NVIDIA GPU here, which records it")
    with caplog.at_level(logging.WARNING):
        batch = opened(record=True)
    (event,) = caplog.records
    assert event.getMessage() == "cuda_graph_refused"
    # A torch built for CUDA misses the driver, one without CUDA misses graphs.
    assert re.search("CUDA driver|CUDAGraph", event.__dict__["reason"])
    batch.start({"canvas": rows(2)})
    assert batch.finish()["scores"].tolist() == [5, 8]


def test_a_gpu_without_room_for_all_slots_has_fewer_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room = [1, 2]

    def open_slot() -> int:
        if not room:
            raise EngineError("the GPU is out of memory")
        return room.pop(0)

    with caplog.at_level(logging.WARNING):
        assert open_slots(3, open_slot) == [1, 2]
    (event,) = caplog.records
    assert event.getMessage() == "overlap_reduced"
    assert (event.__dict__["in_flight"], event.__dict__["wanted"]) == (2, 3)
    with pytest.raises(EngineError, match="out of memory"):
        open_slots(3, open_slot)


def test_addresses_stay_as_long_as_the_buffers_do() -> None:
    batch = opened()
    before = batch.addresses
    batch.start({"canvas": rows(1)})
    batch.finish()
    assert batch.addresses == before
    assert set(before) == {"canvas", "scores"}
    batch.close()
    assert batch.addresses == {}
