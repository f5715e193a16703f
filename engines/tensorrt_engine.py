"""Runs plans that `posestream build` made with TensorRT or TensorRT-RTX, on an NVIDIA GPU.

One engine (its weights are there once); of each batch size as many contexts as batches are to be
under way, each with its own profile, buffers, stream and CUDA graph. Nothing of the library is
touched before the driver has named a GPU, and a plan is loaded only from the store: it can carry
code.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines.artefact import Artefact
from engines.bucket_engine import BucketEngine
from engines.cuda_batch import CudaBatch, import_torch, open_slots, whole_shape
from engines.engine import EngineSpec, Precision
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.engine_store import BuildKey, EngineStore, StoreEntry
from engines.hardware import bounded_threads
from engines.nvidia_driver import Gpu, first_gpu
from engines.shape_buckets import checked_buckets
from engines.tensor_check import fixed_inputs
from engines.tensorrt_backend import (
    Backend,
    Flavour,
    MessageLog,
    as_engine_error,
    load_backend,
    new_logger,
    read_if_there,
)
from stream.errors import EngineError, Obstacle

PLAN_NAME = "engine.plan"
PRECISIONS = (Precision.FP8, Precision.INT8, Precision.FP16, Precision.BF16, Precision.FP32)
"""In the order in which one is chosen, of those that were built."""


def open_tensorrt(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """Loads the TensorRT plan of a model and warms every batch size up.

    Args:
        artefact: the model.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: checked as for all engines; of no meaning here.
        precision: None for the fastest that was built.
        options: the store; batch sizes are those that were built.

    Raises:
        EngineError: if the library, a GPU, its driver or the plan is missing or does not fit.
    """
    bounded_threads(threads)
    return _open(Flavour.TENSORRT, artefact, canvas, precision, options)


def open_tensorrt_rtx(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """As `open_tensorrt`, with TensorRT-RTX."""
    bounded_threads(threads)
    return _open(Flavour.TENSORRT_RTX, artefact, canvas, precision, options)


def plan_key(
    backend: Backend,
    artefact: Artefact,
    target: str,
    precision: Precision,
    shape: tuple[tuple[int, int], tuple[int, ...]],
) -> BuildKey:
    """Where a plan lies; `shape` is canvas (width, height) and batch sizes."""
    (width, height), batches = shape
    return BuildKey(
        onnx_sha256=artefact.manifest.onnx_sha256,
        backend=backend.flavour,
        version=backend.version,
        precision=precision,
        target=target,
        profile=f"{width}x{height} batch {','.join(map(str, checked_buckets(batches)))}",
        flags={"tf32": "off"} if precision is Precision.FP32 else {},
    )


def profile_batches(profile: str) -> tuple[int, ...]:
    """The batch sizes of a key's profile, as `plan_key` writes it."""
    return tuple(int(word) for word in profile.rpartition(" ")[2].split(","))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What would be loaded, and where."""

    backend: Backend
    gpu: Gpu
    key: BuildKey
    entry: StoreEntry


def check_plan(
    flavour: Flavour,
    artefact: Artefact,
    canvas: tuple[int, int],
    precision: Precision | None,
    options: EngineOptions,
) -> None:
    """Whether a plan could be loaded, as far as can be told without touching the GPU.

    Raises:
        EngineError: if the library, a GPU, its driver or the plan is missing.
    """
    _find_plan(flavour, artefact, canvas, precision, options)


def _find_plan(
    flavour: Flavour,
    artefact: Artefact,
    canvas: tuple[int, int],
    precision: Precision | None,
    options: EngineOptions,
) -> _Plan:
    backend = load_backend(flavour)
    gpu = first_gpu()
    import_torch()
    fixed_inputs(artefact.manifest, canvas)  # refuses a canvas that the model lacks
    shape = (canvas, options.batches)
    wanted = (precision,) if precision else PRECISIONS
    keys = [plan_key(backend, artefact, backend.target_of(gpu), one, shape) for one in wanted]
    return _Plan(backend, gpu, *_first_built(keys, options.store, artefact))


def _open(
    flavour: Flavour,
    artefact: Artefact,
    canvas: tuple[int, int],
    precision: Precision | None,
    options: EngineOptions,
) -> BucketEngine:
    plan = _find_plan(flavour, artefact, canvas, precision, options)
    spec = EngineSpec(
        engine=flavour,
        version=plan.backend.version,
        model=artefact.manifest.name,
        precision=Precision(plan.key.precision),
        threads=1,
        canvas=canvas,
        device=plan.gpu.words,
        batches=profile_batches(plan.key.profile),
    )
    loaded = _LoadedPlan(plan.backend, artefact, plan.entry, plan.gpu)
    try:
        slots = loaded.open_slots(spec, options.in_flight)
        return BucketEngine(spec, artefact.manifest, slots, loaded.close)
    except EngineError:
        loaded.close()
        raise


def _first_built(
    keys: list[BuildKey], store: EngineStore | None, artefact: Artefact
) -> tuple[BuildKey, StoreEntry]:
    """The first precision that was built for this canvas, whatever its batch sizes."""
    for key in keys:
        for known, entry in store.profiles(key) if store else ():
            if known.profile.split()[0] == key.profile.split()[0]:
                return known, entry
    first = keys[-1]
    raise EngineError(
        f"{first.backend} {first.version}: model {artefact.manifest.name} was not built for "
        f"{first.target}, {first.profile.split()[0]}; build it with: posestream build "
        f"{artefact.manifest.name} --engine {first.backend} --precision {first.precision}",
        Obstacle.NOT_BUILT,
    )


class _LoadedPlan:
    """A deserialised engine and its contexts; frees them in the order the library wants."""

    def __init__(self, backend: Backend, artefact: Artefact, entry: StoreEntry, gpu: Gpu) -> None:
        self._backend = backend
        self._artefact = artefact
        self._title = f"{backend.flavour} plan of model {artefact.manifest.name}"
        self._messages = MessageLog()
        self._logger = new_logger(backend, self._messages)
        self._slots: dict[int, list[CudaBatch]] = {}
        self._kernel_cache: Any = None
        self._kernel_file = entry.folder.parent.parent / "kernels" / entry.folder.name
        plan = entry.file(PLAN_NAME).read_bytes()
        with as_engine_error(f"{self._title} cannot be loaded"):
            self._runtime: Any = backend.module.Runtime(self._logger)
            self._runtime.engine_host_code_allowed = False
            self._check_valid(plan, gpu)
            self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(
                f"{self._title} does not load on {gpu.words}: {self._messages.last_errors}; "
                "build it again with posestream build --rebuild"
            )

    def open_slots(self, spec: EngineSpec, in_flight: int) -> dict[int, list[CudaBatch]]:
        """Makes contexts for each batch size."""
        for index, batch in enumerate(spec.batches):
            open_slot = partial(self._open_slot, index, batch, spec.canvas)
            self._slots[batch] = open_slots(in_flight, open_slot)
        return self._slots

    def close(self) -> None:
        """Graphs, contexts and buffers, engine, runtime."""
        self._save_kernels()
        for slots in self._slots.values():
            for slot in slots:
                slot.close()
        self._slots.clear()
        self._kernel_cache = None
        self._engine = None
        self._runtime = None

    def _execute(self, context: Any, cuda_stream: int) -> None:
        if not context.execute_async_v3(cuda_stream):
            raise EngineError(f"{self._title} failed: {self._messages.last_errors}")

    def _open_slot(self, profile: int, batch: int, canvas: tuple[int, int]) -> CudaBatch:
        manifest = self._artefact.manifest
        inputs = [
            whole_shape(spec, [batch, *(side or 1 for side in spec.shape[1:])])
            for spec in fixed_inputs(manifest, canvas)
        ]
        with as_engine_error(f"{self._title}: batch {batch}"):
            context = self._new_context()
            for spec in inputs:
                context.set_input_shape(spec.name, spec.shape)
            outputs = [
                whole_shape(spec, context.get_tensor_shape(spec.name)) for spec in manifest.outputs
            ]
            slot = CudaBatch(inputs, outputs)
            self._require(context.set_optimization_profile_async(profile, slot.handle), "profile")
            for spec in inputs:  # a change of the profile forgets them
                self._require(context.set_input_shape(spec.name, spec.shape), "input shape")
            for name, address in slot.addresses.items():
                self._require(context.set_tensor_address(name, address), "tensor address")
            # RTX records graphs by itself; of full TensorRT torch records them.
            record = self._backend.flavour is Flavour.TENSORRT
            slot.prepare(partial(self._execute, context), record=record)
        return slot

    def _new_context(self) -> Any:
        context = self._engine.create_execution_context(self._runtime_config())
        if context is None:
            raise EngineError(
                f"{self._title}: no context: {self._messages.last_errors}; the GPU may be out of "
                "memory: close other programs or build smaller batches (--batch 1)"
            )
        return context

    def _runtime_config(self) -> Any:
        config = self._engine.create_runtime_config()
        if self._backend.flavour is Flavour.TENSORRT_RTX:
            trt = self._backend.module
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            if self._kernel_cache is None:
                self._kernel_cache = config.create_runtime_cache()
                if known := read_if_there(self._kernel_file):
                    self._kernel_cache.deserialize(known)  # False if made elsewhere: compiles
            config.set_runtime_cache(self._kernel_cache)
        return config

    def _save_kernels(self) -> None:
        """Keeps what RTX compiled at load; costs only time if it cannot."""
        if self._kernel_cache is not None:
            with suppress(OSError):
                _replace(self._kernel_file, bytes(self._kernel_cache.serialize()))

    def _check_valid(self, plan: bytes, gpu: Gpu) -> None:
        if self._backend.flavour is not Flavour.TENSORRT_RTX:
            return
        trt = self._backend.module
        validity, diagnostics = self._runtime.get_engine_validity(plan)
        if validity == trt.EngineValidity.INVALID:
            reasons = [
                name
                for name, bit in trt.EngineInvalidityDiagnostics.__members__.items()
                if int(diagnostics) & int(bit)
            ]
            raise EngineError(
                f"{self._title} is not valid on {gpu.words} with driver {gpu.driver}: "
                f"{', '.join(reasons) or 'no reason given'}; build it for this GPU with this "
                "version, update the driver, or run with --engine openvino"
            )

    def _require(self, done: bool, what: str) -> None:  # noqa: FBT001 - what the library returned
        if not done:
            raise EngineError(f"{self._title}: {what} refused: {self._messages.last_errors}")


def _replace(path: Path, contents: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(contents)
    draft.replace(path)
