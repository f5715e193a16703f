"""Buffers of one batch size on an NVIDIA GPU, through torch: memory, streams and graphs.

Owns every buffer it makes. Pinned host memory takes the uploads and downloads; nothing is shared
with the caller. Not thread-safe. Each has a `cuda_stream` of its own: of several, one uploads while
another computes and a third one downloads (`engines/batch_ring.py`).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engines.artefact import TensorSpec
from engines.batch_ring import Arrays
from engines.device_tensors import is_tensor
from engines.engine import Tensors
from stream.errors import EngineError, Obstacle

log = logging.getLogger(__name__)

HOW_TO_GET_TORCH = "pip install 'posestream[gpu]'"
SlotT = TypeVar("SlotT")


class CudaBatch:
    """Implements `engines.batch_ring.Slot`: inputs and outputs of a fixed shape, and the work.

    Args:
        inputs: with whole shapes.
        outputs: with whole shapes.
        device: `cuda`; with `cpu` the same calls do the same, one after the other, for tests.

    Raises:
        EngineError: if torch or the GPU's memory is missing.
    """

    def __init__(
        self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], device: str = "cuda"
    ) -> None:
        torch = import_torch()
        self._torch, self._device = torch, device
        self._calls = getattr(torch, device)
        with cuda_errors():
            self.cuda_stream = self._calls.Stream()
            self._done = self._calls.Event()
            self._inputs = {spec.name: self._pair(spec) for spec in inputs}
            self._outputs = {spec.name: self._pair(spec) for spec in outputs}
        self._execute: Callable[[int], None] | None = None
        self._graph: Any = None

    @property
    def inputs(self) -> dict[str, Any]:
        """Device tensors by name."""
        return {name: device for name, (_, device) in self._inputs.items()}

    @property
    def handle(self) -> int:
        """Of the stream, as CUDA knows it."""
        return int(getattr(self.cuda_stream, "cuda_stream", 0))

    @property
    def addresses(self) -> dict[str, int]:
        """Device address of every input and output; fixed as long as this object lives."""
        pairs = self._inputs | self._outputs
        return {name: int(device.data_ptr()) for name, (_, device) in pairs.items()}

    def prepare(self, execute: Callable[[int], None], *, record: bool) -> None:
        """Says what the work is: called with the handle of the stream, it must not wait.

        Args:
            execute: the work.
            record: as a CUDA graph, which later batches replay, after one plain run. What cannot be
                recorded runs plainly, and `cuda_graph_refused` is logged with the reason.

        Raises:
            EngineError: if the device fails in the plain run.
        """
        self._execute = execute
        if not record:
            return
        with cuda_errors(), self._calls.stream(self.cuda_stream):
            execute(self.handle)
            self._calls.synchronize()
        try:
            self._graph = self._recorded(execute)
        except EngineError as error:
            log.warning("cuda_graph_refused", extra={"reason": str(error)})

    def start(self, inputs: Arrays) -> None:
        """Uploads, executes and downloads, in this order, on its own stream; does not wait.

        See `Slot.start`.
        """
        with cuda_errors():
            # Inputs that are on the device may still be under way there.
            self.cuda_stream.wait_stream(self._calls.current_stream())
        try:
            with cuda_errors(), self._calls.stream(self.cuda_stream):
                self._enqueue(inputs)
        except EngineError:
            self._wait_after_failure()
            raise

    def finish(self) -> Tensors:
        """See `Slot.finish`; the arrays are the pinned buffers."""
        with cuda_errors():
            self._done.synchronize()
        return {name: pinned.numpy() for name, (pinned, _) in self._outputs.items()}

    def keep_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Copies device tensors into the output buffers, for engines that make their own."""
        for name, (_, device) in self._outputs.items():
            device.copy_(outputs[name], non_blocking=True)

    def close(self) -> None:
        """Frees the graph before the buffers that it writes to."""
        self._graph = self._execute = None
        self._inputs.clear()
        self._outputs.clear()

    def _enqueue(self, inputs: Arrays) -> None:
        for name in self._inputs:
            self._upload(name, inputs[name])
        if self._graph is not None:
            self._graph.replay()
        elif self._execute is not None:
            self._execute(self.handle)
        for pinned, device in self._outputs.values():
            pinned.copy_(device, non_blocking=True)
        self._done.record(self.cuda_stream)

    def _upload(self, name: str, values: Any) -> None:
        pinned, device = self._inputs[name]
        if is_tensor(values):
            if self._device != "cpu":
                values.record_stream(self.cuda_stream)
            device.copy_(values, non_blocking=True)
            return
        # Nobody reads the pinned memory any more: the batch before in this slot is over.
        pinned.numpy()[:] = values
        device.copy_(pinned, non_blocking=True)

    def _wait_after_failure(self) -> None:
        """What was begun of a failed batch must not write into the buffers of the next one."""
        try:
            with cuda_errors():
                self._calls.synchronize()
        except EngineError as error:
            log.warning("cuda_still_failing", extra={"reason": str(error)})

    def _recorded(self, execute: Callable[[int], None]) -> Any:
        torch = self._torch
        with cuda_errors():
            graph = torch.cuda.CUDAGraph()
            # Other threads take pictures from the decoder meanwhile, and wait for that.
            mode = "thread_local"
            with torch.cuda.graph(graph, stream=self.cuda_stream, capture_error_mode=mode):
                execute(self.handle)
        return graph

    def _pair(self, spec: TensorSpec) -> tuple[Any, Any]:
        torch = self._torch
        shape = [int(side or 1) for side in spec.shape]
        dtype = getattr(torch, spec.dtype)
        pinned = torch.zeros(shape, dtype=dtype, pin_memory=self._device != "cpu")
        return pinned, torch.zeros(shape, dtype=dtype, device=self._device)


def open_slots(count: int, open_slot: Callable[[], SlotT]) -> list[SlotT]:
    """So many slots, or as many as the GPU has memory for, at least one.

    Fewer only take away overlap: `overlap_reduced` is logged with the reason.

    Raises:
        EngineError: if there is no room for one.
    """
    slots = [open_slot()]
    while len(slots) < count:
        try:
            slots.append(open_slot())
        except EngineError as error:
            extra = {"in_flight": len(slots), "wanted": count, "reason": str(error)}
            log.warning("overlap_reduced", extra=extra)
            break
    return slots


def import_torch() -> Any:
    """The package.

    Raises:
        EngineError: if it is missing.
    """
    try:
        import torch  # here, not above: an optional package, and slow to import
    except ImportError as error:
        raise EngineError(
            f"torch is not installed; GPU engines need it: {HOW_TO_GET_TORCH}",
            Obstacle.NO_PACKAGE,
        ) from error
    return torch


def program_on(exported: Any, device: str) -> Any:
    """An exported program as a module whose constants and new tensors are on that device, too.

    Moving the module alone leaves those that the program makes itself where it was exported.

    Raises:
        EngineError: if the device has no room for it.
    """
    from torch.export.passes import move_to_device_pass  # as in `import_torch`

    with cuda_errors():
        return move_to_device_pass(exported, device).module()


@contextmanager
def cuda_errors() -> Iterator[None]:
    """What torch raises on a device, as ours; out of memory with its remedy."""
    torch = import_torch()
    try:
        yield
    except EngineError:
        raise
    except torch.cuda.OutOfMemoryError as error:
        raise EngineError(
            f"the GPU is out of memory: {error}; close other programs, build smaller batches "
            "(posestream build --batch 1), or run with --engine openvino",
            Obstacle.MEMORY,
        ) from error
    except RuntimeError as error:
        raise EngineError(f"the GPU failed: {error}") from error


def whole_shape(spec: TensorSpec, shape: Sequence[int]) -> TensorSpec:
    """A spec with every side known."""
    return spec.model_copy(update={"shape": tuple(int(side) for side in shape)})


def as_arrays(tensors: Mapping[str, Any]) -> dict[str, NDArray[np.generic]]:
    """Host tensors as arrays over the same memory."""
    return {name: tensor.numpy() for name, tensor in tensors.items()}
