"""Buffers of one batch size on an NVIDIA GPU, through torch: memory, streams and graphs.

Owns every buffer it makes. Pinned host memory takes the uploads and downloads; nothing is shared
with the caller. Not thread-safe; each batch size has its own `cuda_stream`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.artefact import TensorSpec
from engines.device_tensors import is_tensor
from engines.engine import Tensors
from stream.errors import EngineError

HOW_TO_GET_TORCH = "pip install 'posestream[gpu]'"


class CudaBatch:
    """Inputs and outputs of a fixed shape, on the device and pinned on the host.

    Args:
        inputs: with whole shapes.
        outputs: with whole shapes.

    Raises:
        EngineError: if torch or the GPU's memory is missing.
    """

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        torch = import_torch()
        self._torch = torch
        with cuda_errors():
            self.cuda_stream = torch.cuda.Stream()
            self._inputs = {spec.name: self._pair(spec) for spec in inputs}
            self._outputs = {spec.name: self._pair(spec) for spec in outputs}
        self._graph: Any = None

    @property
    def inputs(self) -> dict[str, Any]:
        """Device tensors by name."""
        return {name: device for name, (_, device) in self._inputs.items()}

    @property
    def addresses(self) -> dict[str, int]:
        """Device address of every input and output; fixed as long as this object lives."""
        pairs = self._inputs | self._outputs
        return {name: int(device.data_ptr()) for name, (_, device) in pairs.items()}

    def run(self, inputs: Tensors, execute: Callable[[int], None]) -> Tensors:
        """Uploads, executes on the stream of the given handle (or its graph), downloads.

        The returned arrays are the pinned buffers: the next call overwrites them.

        Raises:
            EngineError: if the device fails.
        """
        with cuda_errors():
            # Inputs that are on the device may still be under way there.
            self.cuda_stream.wait_stream(self._torch.cuda.current_stream())
        with cuda_errors(), self._torch.cuda.stream(self.cuda_stream):
            for name in self._inputs:
                self._upload(name, inputs[name])
            self._execute(execute)
            for pinned, device in self._outputs.values():
                pinned.copy_(device, non_blocking=True)
            self.cuda_stream.synchronize()
        return {name: pinned.numpy() for name, (pinned, _) in self._outputs.items()}

    def capture(self, execute: Callable[[int], None]) -> None:
        """Records `execute` as a CUDA graph that later runs replay; call it after one plain run.

        Raises:
            EngineError: if the device fails or the work cannot be recorded.
        """
        torch = self._torch
        with cuda_errors():
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.cuda_stream):
                execute(int(self.cuda_stream.cuda_stream))
        self._graph = graph

    def keep_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Copies device tensors into the output buffers, for engines that make their own."""
        for name, (_, device) in self._outputs.items():
            device.copy_(outputs[name], non_blocking=True)

    def close(self) -> None:
        """Frees the graph before the buffers that it writes to."""
        self._graph = None
        self._inputs.clear()
        self._outputs.clear()

    def _upload(self, name: str, values: Any) -> None:
        pinned, device = self._inputs[name]
        if is_tensor(values):
            values.record_stream(self.cuda_stream)
            device.copy_(values, non_blocking=True)
            return
        pinned.numpy()[:] = values
        device.copy_(pinned, non_blocking=True)

    def _execute(self, execute: Callable[[int], None]) -> None:
        if self._graph is None:
            execute(int(self.cuda_stream.cuda_stream))
        else:
            self._graph.replay()

    def _pair(self, spec: TensorSpec) -> tuple[Any, Any]:
        torch = self._torch
        shape = [int(side or 1) for side in spec.shape]
        dtype = getattr(torch, spec.dtype)
        pinned = torch.zeros(shape, dtype=dtype, pin_memory=True)
        return pinned, torch.zeros(shape, dtype=dtype, device="cuda")


def import_torch() -> Any:
    """The package.

    Raises:
        EngineError: if it is missing.
    """
    try:
        import torch  # here, not above: an optional package, and slow to import
    except ImportError as error:
        raise EngineError(
            f"torch is not installed; GPU engines need it: {HOW_TO_GET_TORCH}"
        ) from error
    return torch


@contextmanager
def cuda_errors() -> Iterator[None]:
    """What torch raises on a device, as ours; out of memory with its remedy."""
    torch = import_torch()
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise EngineError(
            f"the GPU is out of memory: {error}; close other programs, build smaller batches "
            "(posestream build --batch 1), or run with --engine openvino"
        ) from error
    except RuntimeError as error:
        raise EngineError(f"the GPU failed: {error}") from error


def whole_shape(spec: TensorSpec, shape: Sequence[int]) -> TensorSpec:
    """A spec with every side known."""
    return spec.model_copy(update={"shape": tuple(int(side) for side in shape)})


def as_arrays(tensors: Mapping[str, Any]) -> dict[str, NDArray[np.generic]]:
    """Host tensors as arrays over the same memory."""
    return {name: tensor.numpy() for name, tensor in tensors.items()}
