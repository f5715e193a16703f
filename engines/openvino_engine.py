"""Runs a model on the processor with OpenVINO: the default.

Where the processor is quick in bf16 (AMX, or AMD's AVX-512 BF16; Intel's without AMX is slower than
fp32), convolutions run in it and the graph's tail, which computes keypoints, stays fp32. Measured
with AMD's on an early `bottom_up` and 40 pictures of COCO: 1.6 times as fast as fp32; 80 of 82
people found again, joints 0.2 px apart in the median and 2.4 px at the 95th percentile (a joint may
take another peak; `tests/bench/bench_engines.py`). Keeping the heads or the sampling grids in fp32
as well did not change that.
"""

import io
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.bucket_engine import BucketEngine
from engines.engine import EngineSpec, Precision
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.engine_store import BuildKey, EngineStore
from engines.hardware import available_threads, bounded_threads, cpu_features
from engines.openvino_graph import unshare_constants, with_fp32_layers
from engines.openvino_package import import_openvino, openvino_core
from engines.openvino_requests import openvino_errors, row_slots
from engines.shape_buckets import checked_buckets
from engines.tensor_check import fixed_inputs
from stream.errors import EngineError

log = logging.getLogger(__name__)

ENGINE = "openvino"
PRECISION_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16"}
QUANTISED_NAME = "model.xml"
COMPILED_NAME = "compiled.blob"
IN_FLIGHT_ON_PROCESSOR = 2
"""While one batch is computed the next one waits behind it; a third would wait for nothing."""
MAX_STREAMS = 4
"""Pictures that one engine works on at once: each takes the memory of its activations."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be compiled."""

    artefact: Artefact
    canvas: tuple[int, int]
    precision: Precision
    threads: int
    batches: tuple[int, ...]
    graph: Path
    """ONNX, or the quantised graph."""

    @property
    def row_counts(self) -> tuple[int, ...]:
        """Batches that need no padding: a few rows more or less want no other graph."""
        few = range(1, min(self.batches[-1], MAX_STREAMS) + 1)
        return tuple(sorted({*self.batches, *few}))

    @property
    def kept_fp32(self) -> tuple[str, ...]:
        """Parts of names of layers that keep fp32 in fewer bits."""
        return () if self.precision is Precision.FP32 else self.artefact.manifest.fp32_layers

    @property
    def streams(self) -> tuple[int, ...]:
        """Of each graph to compile: 1 for single pictures, more for batches."""
        most = min(self.batches[-1], self.threads, MAX_STREAMS)
        return (1, most) if most > 1 and self.batches[0] == 1 else (most,)

    def settings(self, streams: int) -> dict[str, Any]:
        return _settings(self.precision, self.threads, streams)


def open_openvino(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """Compiles the model for one canvas and warms it up; takes it from the store if it is there.

    Args:
        artefact: the model.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; None for all cores this process may use.
        precision: None for bf16 where the processor is quick in it, else fp32. int8 must have been
            built.
        options: batch sizes, store.

    Raises:
        EngineError: if OpenVINO is missing, cannot do the precision or refuses the graph.
        ConfigError: if `threads` is out of range.
    """
    core, plan = openvino_core(), _plan(artefact, canvas, threads, precision, options)
    stored = {streams: _from_store(core, plan, streams, options.store) for streams in plan.streams}
    compiled = {streams: graph for streams, graph in stored.items() if graph is not None}
    compiled |= _compile(core, plan, [streams for streams in stored if streams not in compiled])
    first = next(iter(compiled.values()))
    spec = EngineSpec(
        engine=ENGINE,
        version=openvino_version(),
        model=artefact.manifest.name,
        precision=plan.precision,
        threads=int(first.get_property("INFERENCE_NUM_THREADS")),  # what it really took
        canvas=canvas,
        batches=plan.row_counts,
    )
    slots = row_slots(compiled, plan.row_counts, min(options.in_flight, IN_FLIGHT_ON_PROCESSOR))
    return BucketEngine(spec, artefact.manifest, slots)


def build_openvino(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> bool:
    """Compiles into the store, so that `open_openvino` need not; False if it was there.

    Raises:
        EngineError: as `open_openvino`, or if there is no store, or it cannot be written.
        ConfigError: if `threads` is out of range.
    """
    if options.store is None:
        raise EngineError("openvino: building needs a store; give one with --cache DIR")
    plan = _plan(artefact, canvas, threads, precision, options)
    store = options.store
    missing = [streams for streams in plan.streams if not store.find(_key(plan, streams))]
    for streams in missing:
        store.build(_key(plan, streams), partial(_write, plan, streams))
    return bool(missing)


def _write(plan: _Plan, streams: int, folder: Path) -> dict[str, str]:
    blob = _compile(openvino_core(), plan, [streams])[streams].export_model()
    (folder / COMPILED_NAME).write_bytes(blob.getvalue())
    return {}


def quantised_key(artefact: Artefact) -> BuildKey:
    """Where `builders` leave the int8 graph of a model; it is compiled like the ONNX file."""
    return BuildKey(
        onnx_sha256=artefact.manifest.onnx_sha256,
        backend="openvino-graph",
        version="1",
        precision=Precision.INT8,
        target="portable",
        profile="any",
    )


def openvino_version() -> str:
    """Of the installed package, without its build number.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    return str(import_openvino().__version__).partition("-")[0]


def _plan(
    artefact: Artefact,
    canvas: tuple[int, int],
    threads: int | None,
    precision: Precision | None,
    options: EngineOptions,
) -> _Plan:
    core = openvino_core()
    chosen = precision or _precisions(core)[0]
    _check_precision(core, chosen)
    fixed_inputs(artefact.manifest, canvas)  # refuses a canvas that the model lacks
    graph = artefact.onnx_path
    if chosen is Precision.INT8:
        graph = _quantised_graph(artefact, options.store)
    batches = checked_buckets(options.batches)
    return _Plan(artefact, canvas, chosen, bounded_threads(threads), batches, graph)


def _quantised_graph(artefact: Artefact, store: EngineStore | None) -> Path:
    entry = store.find(quantised_key(artefact)) if store else None
    if entry is None:
        name = artefact.manifest.name
        raise EngineError(
            f"openvino: model {name} was not quantised on this machine; build it with: posestream "
            f"build {name} --engine openvino --precision int8 --pictures FOLDER"
        )
    return entry.file(QUANTISED_NAME)


def _key(plan: _Plan, streams: int) -> BuildKey:
    """Of one graph: what was built for some batches serves all that ride in the same graphs."""
    cpu = cpu_features()
    width, height = plan.canvas
    return BuildKey(
        onnx_sha256=plan.artefact.manifest.onnx_sha256,
        backend=ENGINE,
        version=openvino_version(),
        precision=plan.precision,
        target=f"{cpu.name} {cpu.instruction_class}",
        profile=f"{width}x{height}",
        flags={name: str(value) for name, value in plan.settings(streams).items()}
        | {"constants": "unshared"}
        | ({"graph": plan.graph.parent.name} if plan.precision is Precision.INT8 else {})
        | ({"fp32_layers": " ".join(plan.kept_fp32)} if plan.kept_fp32 else {}),
    )


def _from_store(core: Any, plan: _Plan, streams: int, store: EngineStore | None) -> Any | None:
    entry = store.find(_key(plan, streams)) if store else None
    if entry is None:
        return None
    blob = io.BytesIO(entry.file(COMPILED_NAME).read_bytes())
    try:
        return core.import_model(blob, "CPU", plan.settings(streams))
    except RuntimeError as error:  # made by another build of OpenVINO: compile as if not there
        extra = {"entry": str(entry.folder), "reason": str(error)}
        log.warning("engine_store_rejected", extra=extra)
        return None


def openvino_precisions() -> tuple[Precision, ...]:
    """What this machine's processor can do through OpenVINO without calibration, best first.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    return _precisions(openvino_core())


def precision_hint(precision: Precision) -> str:
    """OpenVINO's name of a precision; of int8 that of the best one for layers that are left alone.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    plain = openvino_precisions()[0] if precision is Precision.INT8 else precision
    return PRECISION_HINTS[plain]


def _capabilities(core: Any) -> list[str]:
    return list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _precisions(core: Any) -> tuple[Precision, ...]:
    if "BF16" not in _capabilities(core):
        return (Precision.FP32,)
    both = (Precision.BF16, Precision.FP32)
    return both[::-1] if cpu_features().slow_bf16 else both


def _check_precision(core: Any, precision: Precision) -> None:
    # OpenVINO itself runs something else without a word when it lacks the asked precision.
    known = (*_precisions(core), Precision.INT8)
    if precision not in known:
        raise EngineError(
            f"openvino on this processor runs {', '.join(known)}, got {precision}; "
            "leave the precision out to take the best"
        )


def _settings(precision: Precision, threads: int, streams: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        # Two processes that each pin fewer threads than there are cores meet on the first cores.
        "ENABLE_CPU_PINNING": threads == available_threads(),
        "INFERENCE_PRECISION_HINT": precision_hint(precision),
    }


def _compile(core: Any, plan: _Plan, streams: Sequence[int]) -> dict[int, Any]:
    """The graph for each number of streams; it is read once for all of them."""
    if not streams:
        return {}
    with openvino_errors(f"openvino cannot open model {plan.artefact.manifest.name}"):
        model = core.read_model(plan.graph)
        unshare_constants(model)
        if not plan.kept_fp32:
            return _compile_graph(core, plan, streams, model)
        try:
            marked = with_fp32_layers(model, plan.kept_fp32)
            return _compile_graph(core, plan, streams, marked)
        except RuntimeError as error:  # two layers that it fuses must run in the same precision
            fields = {"model": plan.artefact.manifest.name, "reason": str(error)}
            log.warning("fp32_layers_not_kept", extra=fields)
            return _compile_graph(core, plan, streams, model)


def _compile_graph(core: Any, plan: _Plan, streams: Sequence[int], model: Any) -> dict[int, Any]:
    inputs = fixed_inputs(plan.artefact.manifest, plan.canvas)
    model.reshape({spec.name: [1, *spec.shape[1:]] for spec in inputs})
    return {of: core.compile_model(model, "CPU", plan.settings(of)) for of in streams}


def compile_file(
    path: Path, shape: Sequence[int], precision: Precision, threads: int
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Somebody else's ONNX file with one input, compiled for one shape as a model of ours would be.

    Gives its first output.

    Raises:
        EngineError: if OpenVINO is missing, cannot do the precision or refuses the graph.
    """
    core = openvino_core()
    _check_precision(core, precision)
    with openvino_errors(f"openvino cannot open {path}"):
        model = core.read_model(path)
        model.reshape(list(shape))
        compiled = core.compile_model(model, "CPU", _settings(precision, threads, 1))
    return lambda batch: np.array(compiled(batch)[0])


def graph_gflop(artefact: Artefact, canvas: tuple[int, int]) -> float:
    """10^9 operations for one picture: two for each product of convolutions and matrices.

    Raises:
        EngineError: if OpenVINO is missing or refuses the graph.
    """
    inputs = fixed_inputs(artefact.manifest, canvas)
    with openvino_errors(f"openvino cannot open model {artefact.manifest.name}"):
        model = openvino_core().read_model(artefact.onnx_path)
        model.reshape({spec.name: [1, *spec.shape[1:]] for spec in inputs})
        return sum(_operations(node) for node in model.get_ordered_ops()) / 1e9


def _operations(node: Any) -> float:
    kind = node.get_type_name()
    if kind in ("Convolution", "GroupConvolution"):
        # A weight works once at every place of the output: (groups x outputs), inputs, kernel.
        weights = list(node.input(1).get_shape())
        outputs = list(node.output(0).get_shape())
        return float(2 * math.prod(weights) * outputs[0] * math.prod(outputs[2:]))
    if kind == "ConvolutionBackpropData":
        places = math.prod(node.input(0).get_shape()[2:]) * node.input(0).get_shape()[0]
        return float(2 * math.prod(node.input(1).get_shape()) * places)
    if kind == "MatMul":
        inner = node.input(0).get_shape()[-2 if node.get_attributes()["transpose_a"] else -1]
        return float(2 * math.prod(node.output(0).get_shape()) * inner)
    return 0.0
