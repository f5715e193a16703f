"""Opens an engine by name, or the best one this machine has."""

import logging
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType

from engines.artefact import Artefact
from engines.engine import Engine, Precision
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.hardware import bounded_threads
from engines.onnxruntime_engine import open_onnxruntime
from engines.openvino_engine import MAX_STREAMS, open_openvino
from engines.tensorrt_backend import Flavour
from engines.tensorrt_engine import check_plan, open_tensorrt, open_tensorrt_rtx
from engines.torch_engine import check_torch_on_gpu, open_torch, open_torch_on_gpu
from stream.errors import EngineError

log = logging.getLogger(__name__)


class EngineName(StrEnum):
    """What a user may ask for."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt_rtx"
    TORCH = "torch"


OPENERS: MappingProxyType[EngineName, Callable[..., Engine]] = MappingProxyType(
    {
        EngineName.TENSORRT: open_tensorrt,
        EngineName.TENSORRT_RTX: open_tensorrt_rtx,
        EngineName.OPENVINO: open_openvino,
        EngineName.ONNXRUNTIME: open_onnxruntime,
        EngineName.TORCH: open_torch,
    }
)
AUTO_OPENERS: MappingProxyType[EngineName, Callable[..., Engine]] = MappingProxyType(
    OPENERS | {EngineName.TORCH: open_torch_on_gpu}
)
"""Likewise for `auto`, which never takes torch on the processor."""
PROCESSOR_ENGINES = (EngineName.OPENVINO, EngineName.ONNXRUNTIME)
"""In the order in which `auto` tries them: fastest first."""
GPU_ENGINES = (EngineName.TENSORRT, EngineName.TENSORRT_RTX, EngineName.TORCH)
"""Tried before them where an NVIDIA GPU is; torch on that GPU only."""
GPU_FILE_BATCH = 8
"""Frames of a file that ride together on a GPU: single ones leave most of it idle."""
NVIDIA_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""What NVIDIA's driver puts up; the second under Windows' Linux."""


def open_engine(
    artefact: Artefact,
    *,
    engine: EngineName = EngineName.AUTO,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> Engine:
    """Opens the model, warm, for one canvas.

    Args:
        artefact: the model.
        engine: `auto` tries TensorRT, TensorRT-RTX and torch where an NVIDIA GPU is, then OpenVINO,
            then ONNX Runtime; `engine_fallback` is logged with the reason.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; None for all cores this process may use.
        precision: None for the best of the engine on this processor.
        options: batch sizes, store, who is told of engines that `auto` passed over.

    Raises:
        EngineError: if no engine opens; the message has every reason.
        ConfigError: if `threads` is out of range.
    """
    is_automatic = engine is EngineName.AUTO
    names = _automatic() if is_automatic else (engine,)
    openers = AUTO_OPENERS if is_automatic else OPENERS
    failures: list[tuple[EngineName, EngineError]] = []
    for name in names:
        try:
            opened = openers[name](
                artefact, canvas=canvas, threads=threads, precision=precision, options=options
            )
        except EngineError as error:
            failures.append((name, error))
            continue
        _tell_fallback(failures, name, options)
        return opened
    reasons = "; ".join(f"{name}: {error}" for name, error in failures)
    raise EngineError(
        f"no engine opens model {artefact.manifest.name} on this machine: {reasons}"
    ) from failures[-1][1]


def ready_gpu_engine(
    artefact: Artefact, precision: Precision | None, options: EngineOptions
) -> EngineName | None:
    """The GPU's engine that `auto` would take for a model, as far as it can be told beforehand.

    The GPU itself is not touched: its decoder wants to be the first there. Nobody is told of what
    is missing; `open_engine` does that.
    """
    if not has_nvidia_gpu():
        return None
    canvas = artefact.manifest.canvases[0]
    checks: dict[EngineName, Callable[[], None]] = {
        EngineName(flavour): partial(check_plan, flavour, artefact, canvas, precision, options)
        for flavour in Flavour
    }
    checks[EngineName.TORCH] = partial(check_torch_on_gpu, artefact, canvas, options)
    for name in GPU_ENGINES:
        try:
            checks[name]()
        except EngineError:
            continue
        return name
    return None


def has_nvidia_gpu() -> bool:
    """By a look at this machine's devices: no library is loaded."""
    return any(device.exists() for device in NVIDIA_DEVICES)


def file_batch(engine: EngineName, threads: int | None) -> int:
    """How many frames of a file one call should have: as many as the engine works on at once.

    Args:
        engine: `auto` counts as the processor's; see `ready_gpu_engine`.
        threads: at most so many; None for all cores this process may use.

    Raises:
        ConfigError: if `threads` is out of range.
    """
    count = bounded_threads(threads)
    if engine in GPU_ENGINES:
        return GPU_FILE_BATCH if has_nvidia_gpu() else 1
    return 1 if engine is EngineName.ONNXRUNTIME else min(count, MAX_STREAMS)


def _automatic() -> tuple[EngineName, ...]:
    return (*GPU_ENGINES, *PROCESSOR_ENGINES) if has_nvidia_gpu() else PROCESSOR_ENGINES


def _tell_fallback(
    failures: list[tuple[EngineName, EngineError]], chosen: EngineName, options: EngineOptions
) -> None:
    for failed, reason in failures:
        extra = {"failed_engine": failed, "chosen_engine": chosen, "reason": str(reason)}
        log.warning("engine_fallback", extra=extra | {"obstacle": reason.obstacle.value})
        options.passed_over(failed, reason.obstacle)
