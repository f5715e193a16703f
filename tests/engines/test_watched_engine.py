"""How pixels came to an engine, and what it gave out: told as it is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.batch_ring import Arrays
from engines.bucket_engine import BucketEngine
from engines.engine import EngineSpec, Tensors
from engines.onnxruntime_engine import open_onnxruntime
from engines.pending import submitted
from engines.watched_engine import WatchedEngine
from stream.errors import EngineError
from stream.pixel_copies import CopyStep, TrafficCounts
from tests.overlapped_engines import overlapped
from tests.tiny_model import draw_people

CANVAS = (128, 96)
PICTURES = np.stack([draw_people(*CANVAS, {(30 + n, 40): 255}) for n in range(3)])


class OnGpu:
    """Says that it works on a GPU, and takes tensors."""

    def __init__(self, engine: BucketEngine) -> None:
        self._engine = engine
        self.close = engine.close

    @property
    def spec(self) -> EngineSpec:
        return replace(self._engine.spec, device="Test GPU sm89")

    def infer(self, inputs: Tensors) -> Arrays:
        arrays: dict[str, NDArray[np.generic]] = {n: np.asarray(a) for n, a in inputs.items()}
        return self._engine.infer(arrays)


class DeviceTensor:
    """As much of a tensor as is looked at."""

    def __init__(self, values: NDArray[np.uint8], device: str) -> None:
        self._values = values
        self.shape, self.nbytes = values.shape, values.nbytes
        self.dtype = "torch.uint8"
        self.device = type("Device", (), {"type": device})()

    def data_ptr(self) -> int:
        return 0

    def cpu(self) -> "DeviceTensor":
        return DeviceTensor(self._values, "cpu")

    def numpy(self) -> NDArray[np.uint8]:
        return self._values

    def __array__(self, *_wanted: Any, **_options: Any) -> NDArray[np.uint8]:
        return self._values


def counted(engine: Any, pixels: Any) -> TrafficCounts:
    counts = TrafficCounts()
    watched = WatchedEngine(engine, counts)
    expected = engine.infer({"canvas": PICTURES})
    found = watched.infer({"canvas": pixels})
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])
    size_bytes = sum(values.nbytes for values in found.values())
    assert counts.result_bytes == {"tiny": size_bytes}
    assert size_bytes == 3 * watched.spec.result_bytes
    return counts


def test_the_processor_draws_every_canvas(tiny_artefact: Artefact) -> None:
    counts = counted(open_onnxruntime(tiny_artefact, canvas=CANVAS, threads=1), PICTURES)
    assert counts.pictures == {CopyStep.RENDER: 3}
    assert counts.copied_bytes == {CopyStep.RENDER: PICTURES.nbytes}


def test_a_gpu_gets_what_the_processor_drew(tiny_artefact: Artefact) -> None:
    counts = counted(OnGpu(open_onnxruntime(tiny_artefact, canvas=CANVAS, threads=1)), PICTURES)
    assert counts.pictures == {CopyStep.RENDER: 3, CopyStep.UPLOAD: 3}


def test_what_is_on_the_gpu_costs_nothing_there(tiny_artefact: Artefact) -> None:
    engine = OnGpu(open_onnxruntime(tiny_artefact, canvas=CANVAS, threads=1))
    counts = counted(engine, DeviceTensor(PICTURES, "cuda"))
    assert not counts.pictures


def test_an_engine_on_the_processor_fetches_what_is_on_a_gpu(tiny_artefact: Artefact) -> None:
    engine = open_onnxruntime(tiny_artefact, canvas=CANVAS, threads=1)
    assert counted(engine, DeviceTensor(PICTURES, "cuda")).pictures == {CopyStep.FETCH: 3}
    assert not counted(engine, DeviceTensor(PICTURES, "cpu")).pictures


def test_a_watched_engine_overlaps_as_before_and_tells_each_batch_once(
    tiny_artefact: Artefact,
) -> None:
    counts = TrafficCounts()
    plain = open_onnxruntime(tiny_artefact, canvas=CANVAS, threads=1)
    engine = WatchedEngine(overlapped(plain, tiny_artefact.manifest, (1,)), counts)
    pending = [submitted(engine, {"canvas": PICTURES[:1]}) for _ in range(3)]
    assert counts.pictures == {CopyStep.RENDER: 3}
    assert not counts.result_bytes
    for one in (*pending, *pending):
        one.result()
    assert counts.result_bytes == {"tiny": 3 * engine.spec.result_bytes}
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.infer({"canvas": PICTURES})
    assert counts.pictures == {CopyStep.RENDER: 3}
