"""Runs a model on the processor with OpenVINO: the default. The only file that imports openvino.

Where the processor has bf16, convolutions run in it and the graph's tail, which computes keypoints,
stays fp32. Measured with AVX-512 BF16 on an early `bottom_up` and 40 pictures of COCO: 1.6 times as
fast as fp32; 80 of 82 people found again, joints 0.2 px apart in the median and 2.4 px at the 95th
percentile (a joint may take another peak; `tests/bench/bench_engines.py`). Keeping the heads or the
sampling grids in fp32 as well did not change that.
"""

import sys
from functools import cache
from typing import Any

import numpy as np

from engines.artefact import Artefact
from engines.engine import EngineSpec, Precision, Tensors
from engines.hardware import available_threads, bounded_threads
from engines.picture_engine import Arrays, PictureEngine, RunPicture
from engines.tensor_check import fixed_inputs
from stream.errors import EngineError

ENGINE = "openvino"
TELEMETRY = "openvino_telemetry"
PRECISION_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16"}


def open_openvino(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
) -> PictureEngine:
    """Compiles the model for one canvas and warms it up.

    Args:
        artefact: the model.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; None for all cores this process may use.
        precision: None for bf16 where the processor has it, else fp32.

    Raises:
        EngineError: if OpenVINO is missing, cannot do the precision or refuses the graph.
        ConfigError: if `threads` is out of range.
    """
    openvino = import_openvino()
    core = _core()
    chosen = precision or best_precision(core)
    _check_precision(core, chosen)
    count = bounded_threads(threads)
    compiled = _compile(core, artefact, canvas, _settings(chosen, count))
    spec = EngineSpec(
        engine=ENGINE,
        version=openvino.__version__.partition("-")[0],
        model=artefact.manifest.name,
        precision=chosen,
        threads=int(compiled.get_property("INFERENCE_NUM_THREADS")),  # what it really took
        canvas=canvas,
    )
    return PictureEngine(spec, artefact.manifest, _runner(compiled))


def best_precision(core: Any) -> Precision:
    """The fastest arithmetic without calibration that the processor has."""
    return Precision.BF16 if "BF16" in _capabilities(core) else Precision.FP32


def openvino_precisions() -> tuple[Precision, ...]:
    """What this machine's processor can do through OpenVINO, best first.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    best = best_precision(_core())
    return (Precision.BF16, Precision.FP32) if best is Precision.BF16 else (Precision.FP32,)


def import_openvino() -> Any:
    """The package, imported so that it does not phone home.

    Its import sends an event to Google Analytics, writes an id into the home folder and leaves a
    thread behind, unless `openvino_telemetry` is not installed; so we hide that for the moment.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    hide = TELEMETRY not in sys.modules
    if hide:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
    try:
        import openvino  # here, not above: 0.3 s that only those pay who run it
    except ImportError as error:
        raise EngineError(
            "openvino is not installed; install it with: pip install 'openvino>=2026.2,<2027'"
        ) from error
    finally:
        if hide:
            del sys.modules[TELEMETRY]
    return openvino


@cache
def _core() -> Any:
    """One for the process.

    Each new one swaps the main thread's signal stack and frees it when it closes: with two, the
    next signal could end the process in a segmentation fault.
    """
    return import_openvino().Core()


def _capabilities(core: Any) -> list[str]:
    return list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _check_precision(core: Any, precision: Precision) -> None:
    # OpenVINO itself runs something else without a word when it lacks the asked precision.
    known = PRECISION_HINTS if "BF16" in _capabilities(core) else {Precision.FP32: "f32"}
    if precision not in known:
        raise EngineError(
            f"openvino on this processor runs {', '.join(known)}, got {precision}; "
            "leave the precision out to take the best"
        )


def _settings(precision: Precision, threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # Two processes that each pin fewer threads than there are cores meet on the first cores.
        "ENABLE_CPU_PINNING": threads == available_threads(),
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
    }


def _compile(
    core: Any, artefact: Artefact, canvas: tuple[int, int], settings: dict[str, Any]
) -> Any:
    shapes = {spec.name: [1, *spec.shape[1:]] for spec in fixed_inputs(artefact.manifest, canvas)}
    try:
        model = core.read_model(artefact.onnx_path)
        model.reshape(shapes)
        return core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise EngineError(
            f"openvino cannot open model {artefact.manifest.name}: {error}"
        ) from error


def _runner(compiled: Any) -> RunPicture:
    request = compiled.create_infer_request()
    names = [output.get_any_name() for output in compiled.outputs]

    def run(inputs: Arrays) -> Tensors:
        try:
            request.infer(inputs, share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            raise EngineError(f"openvino failed on a picture: {error}") from error
        return {name: np.asarray(request.get_tensor(name).data) for name in names}

    return run
