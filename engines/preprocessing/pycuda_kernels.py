"""Runs the kernels on an NVIDIA GPU through PyCUDA, in the primary context, which is torch's too.

torch gives memory and order: results are its tensors, and its current stream waits for the kernels.
Never run on a GPU yet; `tests/bench/bench_gpu.py` does that where one is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from engines.cuda_batch import cuda_errors, import_torch
from engines.preprocessing.kernel_binaries import FLAGS, FOLDER, KERNELS, load_kernels
from engines.preprocessing.launch_tables import Table, canvas_table, crop_table, picture_table
from engines.preprocessing.tensor_picture import TensorPicture
from stream.errors import EngineError
from stream.geometry import CropAffine, Letterbox

HOW_TO_GET_PYCUDA = "pip install 'posestream[pycuda]' (needs CUDA's headers)"
BLOCK = (32, 8, 1)
"""Threads side by side write neighbours of a row."""


class PycudaKernels:
    """Implements `DevicePreprocessor`; one caller at a time.

    Raises:
        EngineError: if PyCUDA, torch, a driver, a GPU or kernels for it are missing.
    """

    name = "pycuda"

    def __init__(self) -> None:
        self._torch = import_torch()
        self._driver = _import_driver()
        with self._errors():
            self._driver.init()
            device = self._driver.Device(0)
            # torch's own. PyCUDA's autoprimaryctx would give it to this thread alone, but one
            # takes pictures and another infers: each thread has it while it calls.
            self._context = device.retain_primary_context()
        try:
            self._open(device)
        except EngineError:
            self._context.detach()
            raise

    def _open(self, device: Any) -> None:
        with self._in_context():
            module, self.origin = load_kernels(
                device.compute_capability(), self._driver.module_from_buffer, _compile_here
            )
            self._functions = {name: module.get_function(name) for name in KERNELS}
            # PyCUDA cannot wrap a stream of others, but torch can.
            self._own = self._driver.Stream()
            self._stream = self._torch.cuda.ExternalStream(self._own.handle)
            self._module: Any = module

    def canvases(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, Letterbox]]
    ) -> Any:
        """See `DevicePreprocessor.canvases`."""
        size = places[0][1].canvas_width, places[0][1].canvas_height
        return self._run("render_canvases", pictures, canvas_table(places), size)

    def crops(
        self, pictures: Sequence[TensorPicture], places: Sequence[tuple[int, CropAffine]]
    ) -> Any:
        """See `DevicePreprocessor.crops`."""
        size = places[0][1].crop_width, places[0][1].crop_height
        return self._run("cut_crops", pictures, crop_table(places), size)

    def close(self) -> None:
        """Frees what was loaded before the context is let go; a second call does nothing."""
        if self._module is None:
            return
        with self._in_context():
            self._stream.synchronize()
            self._functions.clear()
            self._module = self._stream = self._own = None
        self._context.detach()

    def _run(
        self, kernel: str, pictures: Sequence[TensorPicture], places: Table, size: tuple[int, int]
    ) -> Any:
        torch, (width, height) = self._torch, size
        with self._in_context():
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                table = self._uploaded(picture_table([one.address for one in pictures]))
                there = self._uploaded(places)
                shape = (len(places), height, width, 3)
                out = torch.empty(shape, dtype=torch.uint8, device="cuda")
                self._functions[kernel](
                    *(np.uintp(tensor.data_ptr()) for tensor in (table, there, out)),
                    np.int32(width),
                    np.int32(height),
                    block=BLOCK,
                    grid=(_blocks(width, BLOCK[0]), _blocks(height, BLOCK[1]), len(places)),
                    stream=self._own,
                )
            current.wait_stream(self._stream)
            self._lend(pictures)
            out.record_stream(current)
        return out

    def _uploaded(self, table: Table) -> Any:
        """The rows of a table as bytes on the device."""
        host = self._torch.from_numpy(table.view(np.uint8).reshape(-1).copy()).pin_memory()
        return host.to("cuda", non_blocking=True)

    def _lend(self, pictures: Sequence[TensorPicture]) -> None:
        """Their memory must not be given to others before the kernel has read it."""
        for picture in pictures:
            for plane in (picture.y, picture.u, picture.v):
                plane.record_stream(self._stream)

    @contextmanager
    def _in_context(self) -> Iterator[None]:
        """The context is current in the calling thread, whichever that is."""
        with self._errors():
            self._context.push()
            try:
                yield
            finally:
                self._driver.Context.pop()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with cuda_errors():
                yield
        except self._driver.Error as error:
            raise EngineError(f"the GPU failed: {error}; check it with nvidia-smi") from error


def _import_driver() -> Any:
    try:
        # Here, not above: an optional package, and without a driver it cannot be imported at all.
        from pycuda import driver
    except ImportError as error:
        raise EngineError(
            f"PyCUDA cannot be used ({error}); it needs NVIDIA's driver: {HOW_TO_GET_PYCUDA}"
        ) from error
    return driver


def _compile_here() -> Any:
    """A module of the source; nvcc must be on the path."""
    from pycuda.compiler import SourceModule

    source = (FOLDER / "kernels.cu").read_text("utf-8")
    options = [*FLAGS, "-I", str(FOLDER)]
    compile_source: Callable[..., Any] = SourceModule
    return compile_source(source, options=options, no_extern_c=True)


def _blocks(length: int, block: int) -> int:
    return (length + block - 1) // block
