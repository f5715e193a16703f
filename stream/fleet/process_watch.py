"""What the processes of a daemon take: memory of their own, and processor time."""

import os
import re
from pathlib import Path

from stream.daemon_metrics import DaemonMetrics

_OWN_MEMORY = re.compile(rb"RssAnon:\s+(\d+) kB")
_TICKS = os.sysconf("SC_CLK_TCK")
SUPERVISOR = "supervisor"


class ProcessWatch:
    """Looks at processes every now and then; used by the supervisor's thread."""

    def __init__(self, metrics: DaemonMetrics) -> None:
        self._metrics = metrics
        self._cpu: dict[str, tuple[int, float]] = {}
        """Name -> process id and processor time when last seen; `keep_only` evicts."""
        self.memory: dict[str, int] = {}
        """Name -> bytes, as last seen."""

    def look(self, name: str, pid: int) -> int:
        """Measures a process and tells the metrics; returns its own memory in bytes."""
        used, seconds = own_memory_bytes(pid), cpu_seconds(pid)
        known, before = self._cpu.get(name, (pid, 0.0))
        # A process of the same name that took another's place has counted from 0.
        spent = seconds - before if known == pid else seconds
        self._cpu[name], self.memory[name] = (pid, seconds), used
        self._metrics.process_seen(name, used, max(spent, 0.0))
        return used

    def keep_only(self, names: set[str]) -> None:
        """Forgets all others."""
        for name in set(self._cpu) - names:
            del self._cpu[name], self.memory[name]


def own_memory_bytes(pid: int) -> int:
    """Memory that a process does not share; 0 if it is gone."""
    try:
        found = _OWN_MEMORY.search(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken; 0 if it is gone."""
    try:
        # The name, in brackets, may hold anything; times are the 14th and 15th field.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
