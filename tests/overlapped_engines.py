"""Engines of this processor with several batches under way, as a GPU's have them.

Slots behave as badly as they may: what a slot was given is overwritten once it is over, and what it
gave is overwritten when the next batch begins. Who keeps a buffer too long gets nonsense.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from engines.artefact import Artefact, Manifest
from engines.batch_ring import IN_FLIGHT_ON_GPU, Arrays
from engines.bucket_engine import BucketEngine
from engines.engine import Engine, EngineSpec, Precision, Tensors
from engines.openvino_engine import _settings, openvino_version
from engines.openvino_package import openvino_core
from engines.tensor_check import fixed_inputs
from stream.errors import EngineError

MARK = 213
"""A picture whose first byte is this fails."""


def check_for_mark(inputs: Tensors) -> None:
    if any((array[:, 0, 0, 0] == MARK).any() for array in inputs.values()):
        raise EngineError("made to fail at this batch")


class StagedSlot:
    """What slots have in common: staging of their own; outputs that go with the next batch."""

    def __init__(self) -> None:
        self._staging: Arrays = {}
        self._outputs: Arrays = {}

    def stage(self, inputs: Tensors) -> Arrays:
        for array in self._outputs.values():
            array.view(np.uint8)[:] = 0xA5
        self._staging = {name: np.array(array) for name, array in inputs.items()}
        return self._staging

    def give(self, outputs: Tensors) -> Tensors:
        for array in self._staging.values():
            array.view(np.uint8)[:] = 0x5A
        self._outputs = {name: np.array(array) for name, array in outputs.items()}
        return self._outputs


class WorkerSlot(StagedSlot):
    """Implements `Slot`: the engine works in a thread; there is one for all slots."""

    def __init__(self, engine: Engine, worker: ThreadPoolExecutor) -> None:
        super().__init__()
        self._engine, self._worker = engine, worker
        self._future: Future[Tensors] | None = None

    def start(self, inputs: Arrays) -> None:
        assert self._future is None, "the slot is taken"
        self._future = self._worker.submit(self._run, self.stage(inputs))

    def finish(self) -> Tensors:
        assert self._future is not None, "nothing is under way here"
        future, self._future = self._future, None
        return self.give(future.result())

    def _run(self, inputs: Arrays) -> Tensors:
        check_for_mark(inputs)
        return self._engine.infer(inputs)


class RequestSlot(StagedSlot):
    """Implements `Slot` with an asynchronous request of OpenVINO."""

    def __init__(self, compiled: Any) -> None:
        super().__init__()
        self._request = compiled.create_infer_request()
        self._names = [output.get_any_name() for output in compiled.outputs]

    def start(self, inputs: Arrays) -> None:
        self._request.start_async(self.stage(inputs), share_inputs=True)

    def finish(self) -> Tensors:
        self._request.wait()
        check_for_mark(self._staging)
        return self.give({n: np.asarray(self._request.get_tensor(n).data) for n in self._names})


def overlapped(
    engine: Engine, manifest: Manifest, batches: tuple[int, ...], depth: int = IN_FLIGHT_ON_GPU
) -> BucketEngine:
    """Another engine's work, in a thread of its own."""
    worker = ThreadPoolExecutor(1, "engine")

    def close() -> None:
        worker.shutdown()
        engine.close()

    slots = {batch: [WorkerSlot(engine, worker) for _ in range(depth)] for batch in batches}
    return BucketEngine(replace(engine.spec, batches=batches), manifest, slots, close)


def openvino_requests(artefact: Artefact, canvas: tuple[int, int]) -> BucketEngine:
    """As many requests under way as a GPU would have batches."""
    core = openvino_core()
    model = core.read_model(artefact.onnx_path)
    model.reshape(
        {one.name: [1, *one.shape[1:]] for one in fixed_inputs(artefact.manifest, canvas)}
    )
    compiled = core.compile_model(model, "CPU", _settings(Precision.FP32, 1, 1))
    spec = EngineSpec(
        "openvino", openvino_version(), artefact.manifest.name, Precision.FP32, 1, canvas
    )
    slots = {1: [RequestSlot(compiled) for _ in range(IN_FLIGHT_ON_GPU)]}
    return BucketEngine(spec, artefact.manifest, slots)
