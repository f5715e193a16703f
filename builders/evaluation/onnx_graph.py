"""A peer's ONNX file on ONNX Runtime: one array in, one array out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.evaluation.people import Floats


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
