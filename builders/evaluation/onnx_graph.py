"""A peer's ONNX file: one array in, one array out, on ONNX Runtime or as our models run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.people import Floats
from engines.engine import Precision
from engines.openvino_engine import compile_file

Graph = Callable[[NDArray[Any]], Floats]
"""One batch in, the graph's first output out."""
OpenGraph = Callable[[Path, int], Graph]
"""Opens a file for so many threads."""


class OnnxGraph:
    """A session with a bounded number of threads that do not spin while idle."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime  # noqa: PLC0415 - heavy

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name

    def __call__(self, batch: NDArray[Any]) -> Floats:
        """The graph's first output."""
        return np.asarray(self._session.run(None, {self._input: batch})[0], np.float32)


class OpenVinoGraph:
    """Compiled for each shape that comes, once.

    Args:
        path: of the ONNX file.
        threads: at most so many.
        precision: of the heavy layers.
    """

    def __init__(self, path: Path, threads: int, precision: Precision) -> None:
        self._path, self._threads, self._precision = path, threads, precision
        self._compiled: dict[tuple[int, ...], Callable[[NDArray[Any]], NDArray[Any]]] = {}

    def __call__(self, batch: NDArray[Any]) -> Floats:
        """The graph's first output."""
        run = self._compiled.get(batch.shape)
        if run is None:
            run = compile_file(self._path, batch.shape, self._precision, self._threads)
            self._compiled[batch.shape] = run
        return np.asarray(run(batch), np.float32)
