"""TensorRT (10.13 and 11) and TensorRT-RTX (1.6 and later) behind one set of names.

The only file that imports them. Both share nearly their whole API; what differs is here. Facts and
where they were tried: strong typing only (a graph's own types decide, on 10 a flag asks for it);
RTX builds without a GPU; its plans are finished by a compiler at load, so contexts take a cache.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engines.nvidia_driver import Gpu
from stream.errors import EngineError, Obstacle

Capability = tuple[int, int]


class Flavour(StrEnum):
    """Which of the two."""

    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt_rtx"


MODULES: Mapping[Flavour, tuple[str, ...]] = MappingProxyType(
    {
        Flavour.TENSORRT: ("tensorrt",),
        # The second is what the wheels hold; the first is a source package around it.
        Flavour.TENSORRT_RTX: ("tensorrt_rtx", "tensorrt_rtx_bindings"),
    }
)
VERSIONS: Mapping[Flavour, tuple[tuple[int, int], tuple[int, int]]] = MappingProxyType(
    {Flavour.TENSORRT: ((10, 13), (12, 0)), Flavour.TENSORRT_RTX: ((1, 6), (2, 0))}
)
"""From (included) to (excluded)."""
INSTALL: Mapping[Flavour, str] = MappingProxyType(
    {
        Flavour.TENSORRT: "pip install 'posestream[tensorrt]'",
        Flavour.TENSORRT_RTX: "pip install 'posestream[tensorrt-rtx]'",
    }
)
RTX_INT8_FROM = (1, 7)

RUNTIME_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ILogger": ("Severity", "log"),
        "Runtime": ("deserialize_cuda_engine", "engine_host_code_allowed"),
        "ICudaEngine": (
            "create_execution_context",
            "create_runtime_config",
            "get_tensor_mode",
            "get_tensor_name",
            "get_tensor_profile_shape",
            "get_tensor_shape",
            "num_io_tensors",
            "num_optimization_profiles",
        ),
        "IExecutionContext": (
            "execute_async_v3",
            "get_tensor_shape",
            "set_input_shape",
            "set_optimization_profile_async",
            "set_tensor_address",
        ),
    }
)
"""Everything that runs an engine; there in both packages."""
RTX_RUNTIME_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Runtime": ("get_engine_validity",),
        "EngineValidity": ("INVALID",),
        "EngineInvalidityDiagnostics": ("UNSUPPORTED_CC", "OLD_CUDA_DRIVER", "VERSION_MISMATCH"),
        "IRuntimeConfig": ("create_runtime_cache", "cuda_graph_strategy", "set_runtime_cache"),
        "IRuntimeCache": ("deserialize", "serialize"),
        "CudaGraphStrategy": ("WHOLE_GRAPH_CAPTURE",),
    }
)
BUILDER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Builder": (
            "build_serialized_network",
            "create_builder_config",
            "create_network",
            "create_optimization_profile",
        ),
        "IBuilderConfig": (
            "add_optimization_profile",
            "clear_flag",
            "create_timing_cache",
            "get_timing_cache",
            "progress_monitor",
            "set_timing_cache",
        ),
        "INetworkDefinition": ("get_input", "get_output", "num_inputs", "num_outputs"),
        "IOptimizationProfile": ("set_shape",),
        "OnnxParser": ("get_error", "num_errors", "parse"),
        "BuilderFlag": ("TF32",),
        "IProgressMonitor": ("phase_finish", "phase_start", "step_complete"),
    }
)
RTX_BUILDER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "IBuilderConfig": ("num_compute_capabilities", "set_compute_capability"),
        "ComputeCapability": ("SM80", "SM86", "SM89", "SM120"),
    }
)


@dataclass(frozen=True, slots=True)
class Backend:
    """A loaded package."""

    flavour: Flavour
    module: Any
    version: str

    @property
    def needs_gpu_to_build(self) -> bool:
        """Full TensorRT times its kernels on the device; RTX compiles for devices by name."""
        return self.flavour is Flavour.TENSORRT

    @property
    def known_capabilities(self) -> tuple[Capability, ...]:
        """Compute capabilities that RTX can build for; empty for full TensorRT."""
        if self.flavour is Flavour.TENSORRT:
            return ()
        numbers = [
            int(name[2:]) for name in self.module.ComputeCapability.__members__ if name[:2] == "SM"
        ]
        return tuple((number // 10, number % 10) for number in numbers)

    def target_of(self, gpu: Gpu) -> str:
        """What the store calls engines for this GPU: a whole machine, or (RTX) a capability."""
        if self.flavour is Flavour.TENSORRT_RTX:
            return capability_target(gpu.capability)
        return f"{gpu.words} driver {gpu.driver}"


def load_backend(flavour: Flavour) -> Backend:
    """Imports the package and checks that it is one this project was written against.

    Raises:
        EngineError: if it is missing, too old, too new, or lacks a name.
    """
    module = _import(flavour)
    version = str(module.__version__)
    low, high = VERSIONS[flavour]
    if not low <= major_minor(version) < high:
        raise EngineError(
            f"{flavour} {version}: expected {low[0]}.{low[1]} or later, below {high[0]}; "
            f"{INSTALL[flavour]}",
            Obstacle.VERSION,
        )
    wanted = [RUNTIME_NAMES, BUILDER_NAMES]
    if flavour is Flavour.TENSORRT_RTX:
        wanted += [RTX_RUNTIME_NAMES, RTX_BUILDER_NAMES]
    missing = [name for names in wanted for name in missing_names(module, names)]
    if missing:
        raise EngineError(
            f"{flavour} {version} lacks {', '.join(missing)}; take a version that posestream "
            f"was tested with: {INSTALL[flavour]}",
            Obstacle.VERSION,
        )
    return Backend(flavour, module, version)


def missing_names(module: Any, wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Classes and members that a package does not have."""
    return [
        f"{owner}.{name}"
        for owner, names in wanted.items()
        for name in names
        if not hasattr(getattr(module, owner, None), name)
    ]


def major_minor(version: str) -> tuple[int, int]:
    """Of "1.7.1.116"."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if not found:
        raise EngineError(f"version {version!r}: expected numbers and dots")
    return int(found[1]), int(found[2])


def capability_target(capability: Capability) -> str:
    """What the store calls engines for one compute capability."""
    return f"sm{capability[0]}{capability[1]}"


@dataclass(slots=True)
class MessageLog:
    """What a library said while it worked; its errors explain a None it returned."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def last_errors(self) -> str:
        """For a message."""
        return "; ".join(self.errors[-3:]) or "it gave no reason"


def new_logger(backend: Backend, messages: MessageLog) -> Any:
    """An `ILogger` that writes into `messages`; keep it as long as anything made with it."""
    trt = backend.module

    class _Logger(trt.ILogger):  # type: ignore[misc, name-defined]  # its base is loaded above
        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                messages.errors.append(message.strip())
            elif severity == trt.ILogger.Severity.WARNING:
                messages.warnings.append(message.strip())

    return _Logger()


@contextmanager
def as_engine_error(what: str) -> Iterator[None]:
    """The exceptions of the bindings, as ours."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, MemoryError) as error:
        raise EngineError(f"{what}: {error}") from error


def read_if_there(path: Path) -> bytes:
    """A cache file; empty if there is none yet."""
    return path.read_bytes() if path.is_file() else b""


def _import(flavour: Flavour) -> Any:
    reasons: list[ImportError] = []
    for name in MODULES[flavour]:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            reasons.append(error)
    raise EngineError(
        f"{flavour} is not installed ({reasons[-1]}); install it with: {INSTALL[flavour]}",
        Obstacle.NO_PACKAGE,
    ) from reasons[-1]
