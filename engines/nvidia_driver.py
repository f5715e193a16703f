"""Asks the NVIDIA driver what GPUs there are, without loading any library of CUDA but its own.

To be asked before anything of TensorRT: without a GPU its runtime logs an error and then ends the
process in a crash at exit.
"""

import ctypes
from dataclasses import dataclass

from stream.errors import EngineError, Obstacle

DRIVER_LIBRARY = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU."""

    name: str
    capability: tuple[int, int]
    """Compute capability, (major, minor)."""
    driver: str
    """Newest CUDA version the driver can run."""

    @property
    def words(self) -> str:
        """What certificates, metrics and the store call it."""
        return f"{self.name} sm{self.capability[0]}{self.capability[1]}"


def first_gpu(library: str = DRIVER_LIBRARY) -> Gpu:
    """The GPU that CUDA calls 0.

    Raises:
        EngineError: if there is no driver or no GPU, or the driver does not answer.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise EngineError(
            f"no NVIDIA driver on this machine ({library} is missing); install one, or run on the "
            "processor with --engine openvino",
            Obstacle.NO_DRIVER,
        ) from error
    _call(driver, "cuInit", 0)
    count = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value < 1:
        raise EngineError(
            "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES may hide it); run on the "
            "processor with --engine openvino",
            Obstacle.NO_GPU,
        )
    return _describe(driver)


def _describe(driver: ctypes.CDLL) -> Gpu:
    device, version = ctypes.c_int(), ctypes.c_int()
    _call(driver, "cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _call(driver, "cuDeviceGetName", name, _NAME_BYTES, device)
    _call(driver, "cuDriverGetVersion", ctypes.byref(version))
    sides = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        sides.append(value.value)
    return Gpu(
        name=name.value.decode(errors="replace"),
        capability=(sides[0], sides[1]),
        driver=f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    code = getattr(driver, function)(*arguments)
    if code:
        raise EngineError(
            f"the NVIDIA driver failed: {function} gave CUDA error {code}; check it with "
            "nvidia-smi, or run on the processor with --engine openvino",
            Obstacle.DRIVER_FAILED,
        )
