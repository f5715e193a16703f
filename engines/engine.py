"""The seam between the pipeline and whatever executes a graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.generic]]


class Precision(StrEnum):
    """Arithmetic of the heavy layers."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    FP8 = "fp8"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What runs, where and how; travels into metrics and summaries."""

    engine: str
    """`openvino`, `onnxruntime`, `replay`, ..."""
    version: str
    model: str
    precision: Precision
    threads: int
    canvas: tuple[int, int]
    """(width, height) of the input pictures."""
    device: str = "cpu"
    """`cpu`, or the name of a GPU and its compute capability."""
    batches: tuple[int, ...] = (1,)
    """Batch sizes the graph was compiled for, ascending; others are padded up or split."""
    result_bytes: int = 0
    """What leaves the device for one frame or crop: poses, no maps."""
    in_flight: int = 1
    """Batches that may be under way at once (`engines/pending.py`)."""


class Engine(Protocol):
    """A compiled graph, warm and ready; not thread-safe, one caller at a time."""

    @property
    def spec(self) -> EngineSpec:
        """What this engine is."""
        ...

    def infer(self, inputs: Tensors) -> dict[str, NDArray[np.generic]]:
        """Runs one batch; all arrays have the batch as their first dimension.

        An input may also be a tensor of torch: an engine on a GPU takes one that is there without
        a way over the processor.

        The returned arrays belong to the caller: they are never overwritten by a later call.

        Raises:
            EngineError: if names, shapes or types differ from the manifest, or execution fails.
        """
        ...

    def close(self) -> None:
        """Frees the device; a second call does nothing, `infer` afterwards raises EngineError."""
        ...
