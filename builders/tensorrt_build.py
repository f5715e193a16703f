"""ONNX to a TensorRT or TensorRT-RTX plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.artefact import Manifest, TensorSpec
from engines.engine import Precision
from engines.tensor_check import fixed_inputs
from engines.tensorrt_backend import (
    RTX_INT8_FROM,
    Backend,
    Capability,
    Flavour,
    MessageLog,
    as_engine_error,
    capability_target,
    major_minor,
    new_logger,
    read_if_there,
)
from stream.errors import EngineError

FP8_FROM: Capability = (8, 9)
Say = Callable[[str], None]
"""Told each step of a build."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What to build."""

    onnx: bytes
    """With the types to compute in."""
    manifest: Manifest
    canvas: tuple[int, int]
    batches: tuple[int, ...]
    precision: Precision
    target: Capability | None = None
    """None for the GPU of this machine."""
    timing_cache: Path | None = None
    """Read before and written after; full TensorRT only."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A built engine."""

    contents: bytes
    inputs: tuple[TensorSpec, ...]
    """As the parser read them from the graph."""
    outputs: tuple[TensorSpec, ...]
    warnings: tuple[str, ...] = field(repr=False)


def build_plan(backend: Backend, request: PlanRequest, say: Say) -> Plan:
    """Parses, checks and builds.

    Raises:
        EngineError: with what the library said and what to do.
    """
    _check_target(backend, request)
    messages = MessageLog()
    logger = new_logger(backend, messages)
    with as_engine_error(f"{backend.flavour} cannot build model {request.manifest.name}"):
        builder = backend.module.Builder(logger)
        network = _parse(backend, builder, request, logger, say)
        inputs, outputs = _declared(backend, network)
        _check_contract(request, inputs, outputs)
        config = builder.create_builder_config()
        _configure(backend, builder, config, request, say)
        monitor = _monitor(backend, say)
        config.progress_monitor = monitor
        say(f"builds for {_target_words(request.target)}: kernels are chosen and weights packed")
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise EngineError(_refusal(backend, request, messages))
        if backend.flavour is Flavour.TENSORRT:
            _save_timing_cache(config, request.timing_cache)
    return Plan(bytes(plan), inputs, outputs, tuple(messages.warnings))


def _check_target(backend: Backend, request: PlanRequest) -> None:
    known, target = backend.known_capabilities, request.target
    if target and known and target not in known:
        words = ", ".join(f"{major}.{minor}" for major, minor in known)
        raise EngineError(
            f"{backend.flavour} {backend.version} does not build for compute capability "
            f"{target[0]}.{target[1]}; it builds for {words}"
        )
    if target and not known:
        raise EngineError(
            f"{backend.flavour} builds for the GPU of this machine only; leave --target out"
        )
    if target and request.precision is Precision.FP8 and target < FP8_FROM:
        raise EngineError(
            f"fp8 needs compute capability 8.9 or later, got {target[0]}.{target[1]}; take "
            "--precision int8 or fp16 for it"
        )
    rtx = backend.flavour is Flavour.TENSORRT_RTX
    if rtx and request.precision is Precision.INT8 and _version(backend) < RTX_INT8_FROM:
        raise EngineError(f"int8 needs tensorrt_rtx 1.7 or later, got {backend.version}")


def _version(backend: Backend) -> tuple[int, int]:
    return major_minor(backend.version)


def _parse(backend: Backend, builder: Any, request: PlanRequest, logger: Any, say: Say) -> Any:
    trt = backend.module
    flags = 0
    if backend.flavour is Flavour.TENSORRT:  # ignored, and deprecated, from 11 on
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    say(f"parses {len(request.onnx) / 1e6:.1f} MB of ONNX: what the parser lacks is refused now")
    if not parser.parse(request.onnx):
        reasons = [str(parser.get_error(index).desc()) for index in range(parser.num_errors)]
        raise EngineError(
            f"{backend.flavour} cannot parse model {request.manifest.name}: {'; '.join(reasons)}; "
            "write that part of the graph with other operators"
        )
    return network


def _declared(
    backend: Backend, network: Any
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    trt = backend.module
    names = {trt.uint8: "uint8", trt.float32: "float32", trt.int64: "int64"}

    def spec(tensor: Any) -> TensorSpec:
        if tensor.dtype not in names:
            raise EngineError(
                f"tensor {tensor.name}: expected {', '.join(names.values())}, got {tensor.dtype}"
            )
        shape = tuple(None if side < 0 else int(side) for side in tensor.shape)
        return TensorSpec(name=tensor.name, dtype=names[tensor.dtype], shape=shape)  # type: ignore[arg-type]  # a Literal, looked up

    return (
        tuple(spec(network.get_input(index)) for index in range(network.num_inputs)),
        tuple(spec(network.get_output(index)) for index in range(network.num_outputs)),
    )


def _check_contract(
    request: PlanRequest, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> None:
    manifest = request.manifest
    for found, wanted in ((inputs, manifest.inputs), (outputs, manifest.outputs)):
        if sorted(map(_fixed, found)) != sorted(map(_fixed, wanted)):
            raise EngineError(
                f"model {manifest.name}: the manifest declares {[str(spec) for spec in wanted]}, "
                f"the parsed graph has {[str(spec) for spec in found]}; export it again"
            )


def _fixed(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype} {spec.shape}"


def _configure(backend: Backend, builder: Any, config: Any, request: PlanRequest, say: Say) -> None:
    trt = backend.module
    if request.precision is Precision.FP32:
        config.clear_flag(trt.BuilderFlag.TF32)  # 10 bits of mantissa are not fp32
    for batch in request.batches:
        profile = builder.create_optimization_profile()
        for spec in fixed_inputs(request.manifest, request.canvas):
            shape = (batch, *spec.shape[1:])
            profile.set_shape(spec.name, shape, shape, shape)
        config.add_optimization_profile(profile)
    say(f"profiles: one for each batch of {', '.join(map(str, request.batches))}")
    if request.target:
        config.num_compute_capabilities = 1
        name = capability_target(request.target).upper()
        config.set_compute_capability(getattr(trt.ComputeCapability, name), 0)
    if request.timing_cache and backend.flavour is Flavour.TENSORRT:
        cache = config.create_timing_cache(read_if_there(request.timing_cache))
        config.set_timing_cache(cache, ignore_mismatch=False)
        say("timing cache: kernels that were timed on this machine are not timed again")


def _save_timing_cache(config: Any, path: Path | None) -> None:
    cache = config.get_timing_cache() if path else None
    if cache is not None and path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(bytes(cache.serialize()))
        draft.replace(path)


def _monitor(backend: Backend, say: Say) -> Any:
    """Tells the outermost phases; the library calls it from its own threads."""
    trt = backend.module

    class _Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]  # its base is loaded above
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            if not parent:
                say(f"{phase}: {steps} steps")

        def step_complete(self, _phase: str, _step: int) -> bool:
            return True  # go on

        def phase_finish(self, _phase: str) -> None:
            """The next phase says so."""

    return _Monitor()


def _refusal(backend: Backend, request: PlanRequest, messages: MessageLog) -> str:
    return (
        f"{backend.flavour} {backend.version} cannot build model {request.manifest.name} in "
        f"{request.precision} for {_target_words(request.target)}: {messages.last_errors}; take "
        "another precision or target"
    )


def _target_words(target: Capability | None) -> str:
    return f"compute capability {target[0]}.{target[1]}" if target else "the GPU of this machine"
