"""A camera that hangs up again and again: does anything of the daemon grow?

    python -m tests.bench.bench_reconnects CLIP [--count 200] [--out FILE.json]

CLIP is a video in H.264 or H.265. Counts memory, mapped segments and descriptors of every process
of the daemon after each tenth of the reconnects and fits a line through the memory, the first third
left out. Exit code 1 if a process grows by 10 KB a reconnect or more, or holds more at the end.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stream.site_file.patience import PATIENCE, Profile
from tests.bench.report import Figure, write_report
from tests.running_camera import running_camera
from tests.running_fleet import RunningFleet, running_fleet
from tests.stream.fleet.test_long_life import descriptors, mappings

LIMIT_BYTES = 10_000
WARM_UP_SHARE = 1 / 3
SAMPLES = 40


def own_memory_bytes(pid: int | str) -> int:
    """Memory that a process does not share."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def sample(running: RunningFleet) -> dict[str, tuple[int, int, int]]:
    """Memory, mapped segments and descriptors of each process."""
    pids: dict[str, int] = {p.name: p.pid for p in running.fleet.health().processes}
    pids["supervisor"] = os.getpid()
    return {
        name: (own_memory_bytes(pid), mappings(pid), descriptors(pid)) for name, pid in pids.items()
    }


def measure(clip: Path, count: int) -> dict[str, Any]:
    """Figures of each process."""
    quick = replace(PATIENCE[Profile.WIRED], first_delay_seconds=0.1, max_delay_seconds=0.1)
    samples = []
    with (
        running_camera([clip], "disconnect:at=0.1") as [address],
        running_fleet() as running,
    ):
        running.add("cam", address, patience=quick)
        for done in np.linspace(count / SAMPLES, count, SAMPLES):
            running.wait_for_losses("cam", round(done))
            samples.append(sample(running))
            running.sinks["cam"].results.clear()
        inferred = running.fleet.ledger("cam")
    names = samples[0].keys()
    return {
        "reconnects": count,
        "frames_read": inferred.read,
        "processes": {name: figures([one[name] for one in samples], count) for name in names},
    }


def figures(samples: list[tuple[int, int, int]], count: int) -> dict[str, Any]:
    """How one process grew."""
    skip = round(len(samples) * WARM_UP_SHARE)
    later = np.array(samples[skip:], np.float64)
    reconnects = np.linspace(count / SAMPLES, count, SAMPLES)[skip:]
    slope = float(np.polyfit(reconnects, later[:, 0], 1)[0])
    return {
        "bytes_a_reconnect": round(slope),
        "own_memory_mib": [round(samples[skip][0] / 2**20, 1), round(samples[-1][0] / 2**20, 1)],
        "mapped_segments": [int(later[:, 1].min()), int(later[:, 1].max())],
        "descriptors": [int(later[:, 2].min()), int(later[:, 2].max())],
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    found = measure(arguments.clip, arguments.count)
    processes = found["processes"]
    grown = [
        Figure(
            f"Growth of {name} over {arguments.count} reconnects",
            one["bytes_a_reconnect"],
            "bytes each",
        )
        for name, one in processes.items()
    ]
    write_report("reconnects", grown, found, arguments.out)
    grows = any(one["bytes_a_reconnect"] >= LIMIT_BYTES for one in processes.values())
    sys.exit(1 if grows else 0)


if __name__ == "__main__":
    main()
