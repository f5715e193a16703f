import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.hardware import (
    available_threads,
    bounded_threads,
    cpu_features,
    parse_cpu_features,
    parse_quota,
)
from stream.errors import ConfigError

CPUINFO = """\
processor\t: 0
model name\t: First Processor
flags\t\t: fpu avx avx2 avx512f avx512_vnni avx512_bf16

processor\t: 1
model name\t: Second Processor
flags\t\t: fpu
"""


@pytest.fixture
def one_core() -> Iterator[None]:
    """Leaves this process one core, then gives all back."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def test_features_are_those_of_the_first_processor() -> None:
    features = parse_cpu_features(CPUINFO)
    assert features.name == "First Processor"
    assert (features.avx2, features.avx512, features.vnni) == (True, True, True)
    assert (features.avx512_bf16, features.amx_bf16) == (True, False)


@pytest.mark.parametrize(
    ("vendor", "flags", "slow"),
    [
        ("GenuineIntel", "avx512f avx512_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", False),
        ("GenuineIntel", "avx512f", False),
        ("AuthenticAMD", "avx512f avx512_bf16", False),
    ],
)
def test_bf16_is_slow_on_intel_without_amx(vendor: str, flags: str, *, slow: bool) -> None:
    features = parse_cpu_features(f"vendor_id\t: {vendor}\nflags\t\t: {flags}\n")
    assert features.vendor == vendor
    assert features.slow_bf16 is slow


def test_without_cpuinfo_nothing_is_claimed(tmp_path: Path) -> None:
    features = cpu_features(tmp_path / "missing")
    assert features.name == "unknown"
    assert not any((features.avx2, features.avx512, features.vnni, features.amx_bf16))


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("1000 100000\n", 1)],
)
def test_a_quota_is_rounded_up_to_whole_cores(text: str, cores: int | None) -> None:
    assert parse_quota(text) == cores


def test_a_container_quota_limits_the_threads(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n", encoding="ascii")
    assert available_threads(tmp_path / "cpu.max") == 1


@pytest.mark.usefixtures("one_core")
def test_an_affinity_mask_limits_the_threads(tmp_path: Path) -> None:
    assert available_threads(tmp_path / "missing") == 1


def test_no_number_means_all_threads() -> None:
    assert bounded_threads(None) == available_threads()


@pytest.mark.parametrize("threads", [-1, 0, 100_000])
def test_more_threads_than_cores_or_none_are_refused(threads: int) -> None:
    with pytest.raises(ConfigError, match=f"expected 1 to .* got {threads}"):
        bounded_threads(threads)
