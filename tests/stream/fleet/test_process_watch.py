import os

from prometheus_client import CollectorRegistry

from stream.daemon_metrics import DaemonMetrics
from stream.fleet.process_watch import ProcessWatch, cpu_seconds, own_memory_bytes

NOBODY = 2**22 + 1
"""No process has that id: the kernel's largest is 2^22."""


def cpu_told(registry: CollectorRegistry, process: str) -> float | None:
    labels = {"process": process}
    return registry.get_sample_value("posestream_process_cpu_seconds_total", labels)


def test_a_process_that_is_there_takes_memory_and_time() -> None:
    assert own_memory_bytes(os.getpid()) > 1_000_000
    assert cpu_seconds(os.getpid()) > 0


def test_one_that_is_gone_takes_nothing() -> None:
    assert (own_memory_bytes(NOBODY), cpu_seconds(NOBODY)) == (0, 0)


def test_processor_time_is_counted_once_and_that_of_a_successor_on_top() -> None:
    registry = CollectorRegistry()
    watch = ProcessWatch(DaemonMetrics(registry))
    watch.look("engine", os.getpid())
    watch.look("engine", os.getpid())
    first = cpu_told(registry, "engine")
    assert first is not None
    assert 0 < first <= cpu_seconds(os.getpid())
    watch.look("engine", os.getppid())
    assert cpu_told(registry, "engine") == first + watch._cpu["engine"][1]


def test_who_is_gone_is_forgotten() -> None:
    watch = ProcessWatch(DaemonMetrics(CollectorRegistry()))
    watch.look("engine", os.getpid())
    watch.look("decoder-0", os.getpid())
    watch.keep_only({"engine"})
    assert set(watch.memory) == {"engine"}
