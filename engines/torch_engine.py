"""Runs an exported torch program: the reference engine, on the processor or an NVIDIA GPU.

`posestream build --engine torch` leaves the program in the store; this file knows no network. On a
GPU each batch size is recorded as a CUDA graph.
"""

from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from engines.artefact import Artefact
from engines.batch_ring import Arrays
from engines.bucket_engine import BucketEngine
from engines.cuda_batch import (
    CudaBatch,
    as_arrays,
    cuda_errors,
    import_torch,
    open_slots,
    program_on,
    whole_shape,
)
from engines.engine import EngineSpec, Precision, Tensors
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.engine_store import BuildKey
from engines.hardware import bounded_threads
from engines.nvidia_driver import first_gpu
from engines.shape_buckets import checked_buckets
from engines.tensor_check import fixed_inputs
from stream.errors import EngineError, Obstacle

ENGINE = "torch"
PROGRAM_NAME = "program.pt2"


def open_torch(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """Loads the exported program of a model for one canvas and warms it up.

    Args:
        artefact: the model.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; torch has one number for the whole process, and this sets it.
        precision: None or fp32.
        options: batch sizes, store.

    Raises:
        EngineError: if torch or the program is missing, or the precision is not fp32.
        ConfigError: if `threads` is out of range.
    """
    count, torch = bounded_threads(threads), import_torch()
    if precision not in (None, Precision.FP32):
        raise EngineError(f"torch runs fp32, got {precision}; leave the precision out")
    fixed_inputs(artefact.manifest, canvas)  # refuses a canvas that the model lacks
    batches = checked_buckets(options.batches)
    exported = _load(torch, _program_file(artefact, canvas, options))
    torch.set_num_threads(count)
    gpu = first_gpu() if torch.cuda.is_available() else None
    spec = EngineSpec(
        engine=ENGINE,
        version=torch_version(),
        model=artefact.manifest.name,
        precision=Precision.FP32,
        threads=count,
        canvas=canvas,
        device=gpu.words if gpu else "cpu",
        batches=batches,
    )
    if gpu is None:
        program = exported.module()
        return BucketEngine(spec, artefact.manifest, partial(_on_processor, torch, program))
    on_gpu = _GpuPrograms(torch, program_on(exported, "cuda"), artefact, spec)
    try:
        slots = on_gpu.open_slots(options.in_flight)
        return BucketEngine(spec, artefact.manifest, slots, on_gpu.close)
    except EngineError:
        on_gpu.close()
        raise


def open_torch_on_gpu(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """As `open_torch`, but never on the processor, where other engines are faster.

    Raises:
        EngineError: also if there is no GPU that torch can use.
    """
    check_torch_on_gpu(artefact, canvas, options)
    return open_torch(
        artefact, canvas=canvas, threads=threads, precision=precision, options=options
    )


def check_torch_on_gpu(artefact: Artefact, canvas: tuple[int, int], options: EngineOptions) -> None:
    """Whether the program could be opened on a GPU, as far as can be told without touching it.

    Raises:
        EngineError: if the driver, a GPU, torch or the program is missing.
    """
    gpu, torch = first_gpu(), import_torch()
    _program_file(artefact, canvas, options)
    if not torch.cuda.is_available():
        raise EngineError(
            f"torch {torch.__version__} cannot use {gpu.words} with a driver of CUDA {gpu.driver}; "
            "install its build for that CUDA",
            Obstacle.VERSION,
        )


def program_key(artefact: Artefact, canvas: tuple[int, int]) -> BuildKey:
    """Where `builders` leave the exported program; any batch size runs through it."""
    return BuildKey(
        onnx_sha256=artefact.manifest.onnx_sha256,
        backend=ENGINE,
        version=torch_version(),
        precision=Precision.FP32,
        target="portable",
        profile=f"{canvas[0]}x{canvas[1]}",
    )


def torch_version() -> str:
    """Of the installed package, without its build.

    Raises:
        EngineError: if torch is missing.
    """
    return str(import_torch().__version__).partition("+")[0]


def _program_file(artefact: Artefact, canvas: tuple[int, int], options: EngineOptions) -> Path:
    entry = options.store.find(program_key(artefact, canvas)) if options.store else None
    if entry is None:
        name = artefact.manifest.name
        raise EngineError(
            f"torch: model {name} has no exported program on this machine for canvas "
            f"{canvas[0]}x{canvas[1]}; build it with: posestream build {name} --engine torch",
            Obstacle.NOT_BUILT,
        )
    return entry.file(PROGRAM_NAME)


def _load(torch: Any, path: Path) -> Any:
    try:
        return torch.export.load(path)
    except (RuntimeError, ValueError, LookupError, OSError, BadZipFile) as error:
        raise EngineError(
            f"torch cannot load {path.name}: {error}; build it again with --rebuild"
        ) from error


def _on_processor(torch: Any, program: Any, inputs: Arrays) -> Tensors:
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    try:
        with torch.inference_mode():
            outputs = program(*tensors)
    except RuntimeError as error:
        raise EngineError(f"torch failed on a batch: {error}") from error
    return as_arrays(_named(outputs))


def _named(outputs: Any) -> dict[str, Any]:
    """Programs give a mapping, so that the order of outputs is nobody's guess."""
    return dict(outputs)


class _GpuPrograms:
    """The program for every batch size, as often as batches are to be under way."""

    def __init__(self, torch: Any, program: Any, artefact: Artefact, spec: EngineSpec) -> None:
        _forbid_tf32(torch)
        self._torch, self._artefact, self._spec = torch, artefact, spec
        self._program = program
        self._ready: dict[int, list[CudaBatch]] = {}

    def open_slots(self, in_flight: int) -> dict[int, list[CudaBatch]]:
        """Records the program for every batch size."""
        for batch in self._spec.batches:
            self._ready[batch] = open_slots(in_flight, partial(self._open_slot, batch))
        return self._ready

    def close(self) -> None:
        for slots in self._ready.values():
            for slot in slots:
                slot.close()
        self._ready.clear()

    def _open_slot(self, batch: int) -> CudaBatch:
        torch, manifest = self._torch, self._artefact.manifest
        inputs = [
            whole_shape(one, [batch, *(side or 1 for side in one.shape[1:])])
            for one in fixed_inputs(manifest, self._spec.canvas)
        ]
        with cuda_errors(), torch.inference_mode():
            blank = [
                torch.zeros(one.shape, dtype=getattr(torch, one.dtype), device="cuda")
                for one in inputs
            ]
            shown = _named(self._program(*blank))
        slot = CudaBatch(
            inputs, [whole_shape(one, shown[one.name].shape) for one in manifest.outputs]
        )
        slot.prepare(partial(self._execute, slot), record=True)
        return slot

    def _execute(self, slot: CudaBatch, _cuda_stream: int) -> None:
        with self._torch.inference_mode():
            slot.keep_outputs(_named(self._program(*slot.inputs.values())))


def _forbid_tf32(torch: Any) -> None:
    """A reference computes in fp32; for the whole process, as torch has it."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
