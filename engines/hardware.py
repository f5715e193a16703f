"""What the processor of this machine can do, and how much of it this process may use."""

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from stream.errors import ConfigError

CPUINFO = Path("/proc/cpuinfo")
CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
INTEL = "GenuineIntel"


@dataclass(frozen=True, slots=True)
class CpuFeatures:
    """Instruction sets that decide which arithmetic is fast; all False where none is known."""

    name: str
    vendor: str
    """As the processor itself tells it: "GenuineIntel", "AuthenticAMD"."""
    avx2: bool
    avx512: bool
    vnni: bool
    """int8 dot products (AVX-512 or AVX2 form)."""
    avx512_bf16: bool
    amx_bf16: bool

    @property
    def slow_bf16(self) -> bool:
        """Whether convolutions take longer in bf16 than in fp32 although there is AVX-512 BF16.

        Without AMX that is so on Intel (virtual machines often hide AMX): shipped models that look
        at pictures take 1.2 to 1.5 times as long (`tests/bench/results/slow_bf16.json`). On AMD
        they take less time in bf16.
        """
        return self.vendor == INTEL and self.avx512_bf16 and not self.amx_bf16

    @property
    def instruction_class(self) -> str:
        """One word for the best of them; processors of one class round alike."""
        names = {
            "amx": self.amx_bf16,
            "avx512-bf16": self.avx512_bf16,
            "avx512-vnni": self.avx512 and self.vnni,
            "avx512": self.avx512,
            "avx2": self.avx2,
        }
        return next((name for name, there in names.items() if there), platform.machine())


def cpu_features(cpuinfo: Path = CPUINFO) -> CpuFeatures:
    """The features of the first processor in Linux' `cpuinfo`; "unknown" where it is missing."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        text = ""  # not Linux: nothing is known, and the fields say so
    return parse_cpu_features(text)


def parse_cpu_features(text: str) -> CpuFeatures:
    """The features that the text of `/proc/cpuinfo` names."""
    lines = [line.partition(":") for line in text.splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in reversed(lines)}  # first one wins
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return CpuFeatures(
        name=fields.get("model name", "unknown"),
        vendor=fields.get("vendor_id", "unknown"),
        avx2="avx2" in flags,
        avx512="avx512f" in flags,
        vnni=bool(flags & {"avx512_vnni", "avx_vnni"}),
        avx512_bf16="avx512_bf16" in flags,
        amx_bf16="amx_bf16" in flags,
    )


def available_threads(limit: Path = CGROUP_LIMIT) -> int:
    """Cores this process may use: its affinity mask, cut to a container's quota (cgroup v2)."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota = parse_quota(limit.read_text(encoding="ascii"))
    except OSError:
        quota = None  # no cgroup v2: nothing limits us but the mask
    return cores if quota is None else max(1, min(cores, quota))


def parse_quota(text: str) -> int | None:
    """Whole cores that `cpu.max` ("QUOTA PERIOD" in microseconds) allows; None for "max"."""
    quota, _, period = text.strip().partition(" ")
    return None if quota == "max" else math.ceil(int(quota) / int(period))


def bounded_threads(threads: int | None) -> int:
    """The asked number of threads if this process may use so many cores; None asks for all.

    Raises:
        ConfigError: if it is below 1 or above `available_threads()`.
    """
    available = available_threads()
    if threads is None:
        return available
    if not 1 <= threads <= available:
        raise ConfigError(
            f"threads: expected 1 to {available} (cores this process may use), got {threads}; "
            "leave it out to use all"
        )
    return threads
