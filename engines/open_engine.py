"""Opens an engine by name, or the best one this machine has."""

import logging
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from engines.artefact import Artefact
from engines.engine import Engine, Precision
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.hardware import bounded_threads
from engines.onnxruntime_engine import open_onnxruntime
from engines.openvino_engine import MAX_STREAMS, open_openvino
from engines.tensorrt_engine import open_tensorrt, open_tensorrt_rtx
from engines.torch_engine import open_torch
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
PROCESSOR_ENGINES = (EngineName.OPENVINO, EngineName.ONNXRUNTIME)
"""In the order in which `auto` tries them: fastest first."""
GPU_ENGINES = (EngineName.TENSORRT, EngineName.TENSORRT_RTX)
"""Tried before them where an NVIDIA GPU is."""
NVIDIA_DEVICE = Path("/dev/nvidia0")


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
        engine: `auto` tries TensorRT where an NVIDIA GPU is, then OpenVINO, then ONNX Runtime;
            `engine_fallback` is logged with the reason.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; None for all cores this process may use.
        precision: None for the best of the engine on this processor.
        options: batch sizes, store.

    Raises:
        EngineError: if no engine opens; the message has every reason.
        ConfigError: if `threads` is out of range.
    """
    names = _automatic() if engine is EngineName.AUTO else (engine,)
    failures: list[tuple[EngineName, EngineError]] = []
    for name in names:
        try:
            opened = OPENERS[name](
                artefact, canvas=canvas, threads=threads, precision=precision, options=options
            )
        except EngineError as error:
            failures.append((name, error))
            continue
        _log_fallback(failures, name)
        return opened
    reasons = "; ".join(f"{name}: {error}" for name, error in failures)
    raise EngineError(
        f"no engine opens model {artefact.manifest.name} on this machine: {reasons}"
    ) from failures[-1][1]


def file_batch(engine: EngineName, threads: int | None) -> int:
    """How many frames of a file one call should have: as many as the engine works on at once.

    Raises:
        ConfigError: if `threads` is out of range.
    """
    names = _automatic() if engine is EngineName.AUTO else (engine,)
    on_processor = names[0] is EngineName.OPENVINO
    return min(bounded_threads(threads), MAX_STREAMS) if on_processor else 1


def _automatic() -> tuple[EngineName, ...]:
    return (*GPU_ENGINES, *PROCESSOR_ENGINES) if NVIDIA_DEVICE.exists() else PROCESSOR_ENGINES


def _log_fallback(failures: list[tuple[EngineName, EngineError]], chosen: EngineName) -> None:
    for failed, reason in failures:
        extra = {"failed_engine": failed, "chosen_engine": chosen, "reason": str(reason)}
        log.warning("engine_fallback", extra=extra)
