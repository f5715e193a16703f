"""Runs a model on any processor with ONNX Runtime, fp32. The only file that imports onnxruntime."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engines.artefact import Artefact
from engines.batch_ring import Arrays, RunBatch
from engines.bucket_engine import BucketEngine
from engines.engine import EngineSpec, Precision, Tensors
from engines.engine_options import DEFAULT_OPTIONS, EngineOptions
from engines.hardware import bounded_threads
from engines.shape_buckets import checked_buckets
from stream.errors import EngineError, Obstacle

ENGINE = "onnxruntime"


def open_onnxruntime(
    artefact: Artefact,
    *,
    canvas: tuple[int, int],
    threads: int | None = None,
    precision: Precision | None = None,
    options: EngineOptions = DEFAULT_OPTIONS,
) -> BucketEngine:
    """Loads the model for one canvas and warms it up.

    Args:
        artefact: the model.
        canvas: (width, height) of the pictures, one of the manifest's.
        threads: at most so many; None for all cores this process may use.
        precision: None or fp32.
        options: batch sizes.

    Raises:
        EngineError: if ONNX Runtime is missing, the precision is not fp32 or the graph is refused.
        ConfigError: if `threads` is out of range.
    """
    onnxruntime = _import_onnxruntime()
    if precision not in (None, Precision.FP32):
        raise EngineError(f"onnxruntime runs fp32, got {precision}; leave the precision out")
    count = bounded_threads(threads)
    spec = EngineSpec(
        engine=ENGINE,
        version=onnxruntime.__version__,
        model=artefact.manifest.name,
        precision=Precision.FP32,
        threads=count,
        canvas=canvas,
        batches=checked_buckets(options.batches),
    )
    session = _open_session(onnxruntime, artefact, count)
    return BucketEngine(spec, artefact.manifest, _runner(session))


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime  # here, not above: an optional package
    except ImportError as error:
        raise EngineError(
            "onnxruntime is not installed; install it with: pip install 'posestream[onnxruntime]'",
            Obstacle.NO_PACKAGE,
        ) from error
    return onnxruntime


def _open_session(onnxruntime: Any, artefact: Artefact, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they also come as exceptions
    # Waiting threads that spin take the cores from decoding: a fifth slower on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with _as_engine_error(f"onnxruntime cannot open model {artefact.manifest.name}"):
        return onnxruntime.InferenceSession(
            artefact.onnx_path, options, providers=["CPUExecutionProvider"]
        )


def _runner(session: Any) -> RunBatch:
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Tensors:
        with _as_engine_error("onnxruntime failed on a picture"):
            outputs = session.run(names, inputs)
        return dict(zip(names, outputs, strict=True))

    return run


@contextmanager
def _as_engine_error(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # its exceptions share no base class but Exception
        raise EngineError(f"{what}: {error}") from error
