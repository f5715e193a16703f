"""OpenVINO's package, and its core of this process. The only file that imports openvino."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from stream.errors import EngineError

TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Lets OpenVINO, and what builds on it, be imported without phoning home.

    Their import sends an event to Google Analytics, writes an id into the home folder and leaves a
    thread behind, unless `openvino_telemetry` is not installed; so we hide that for the moment.
    """
    hide = TELEMETRY not in sys.modules
    if hide:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
    try:
        yield
    finally:
        if hide:
            del sys.modules[TELEMETRY]


def import_openvino() -> Any:
    """The package, imported so that it does not phone home.

    Raises:
        EngineError: if OpenVINO is missing.
    """
    try:
        with without_telemetry():
            import openvino  # here, not above: 0.3 s that only those pay who run it
    except ImportError as error:
        raise EngineError(
            "openvino is not installed; install it with: pip install 'openvino>=2026.2,<2027'"
        ) from error
    return openvino


@cache
def openvino_core() -> Any:
    """One for the process.

    Each new one swaps the main thread's signal stack and frees it when it closes: with two, the
    next signal could end the process in a segmentation fault.
    """
    return import_openvino().Core()
