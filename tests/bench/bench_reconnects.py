"""Cameras that hang up again and again: does anything of the daemon grow?

    python -m tests.bench.bench_reconnects [--clip FILE] [--count 2000] [--minutes 3.5]
        [--out FILE.json]

Ends after so many reconnects or minutes, whichever comes first.

The clip is a video in H.264 or H.265; without one, a small one is drawn. Four streams share a
decoder process, and each is cut off a tenth of a second after its first frame. Counts memory,
mapped segments and descriptors of every process of the daemon, and Python's objects in the
supervisor; fits a line through the memory, the first third left out. The supervisor is this
process; camera and engine are others, and what tests keep of results and events is thrown away.

Exit code 1 if the memory of a process grows for sure (zero is not within what is 95 % likely) and
by `LIMIT_BYTES` a reconnect or more.
"""

import argparse
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from typing import Any

from stream.clock import SystemClock
from stream.site_file.patience import PATIENCE, Profile
from tests.bench.growth import fitted
from tests.bench.report import Figure, write_report
from tests.command_line import COMMAND, environment
from tests.drawn_clips import write_drawn_clip
from tests.free_ports import free_port
from tests.running_fleet import RunningFleet, running_fleet
from tests.stream.fleet.test_long_life import descriptors, mappings

LIMIT_BYTES = 100
"""A reconnect every second for a day would add 9 MB: less is no leak that anybody finds."""
WARM_UP_SHARE = 1 / 3
STREAMS = ("cam0", "cam1", "cam2", "cam3")
SAMPLES = 100
QUICK = replace(PATIENCE[Profile.WIRED], first_delay_seconds=0.02, max_delay_seconds=0.02)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a process holds."""

    own_memory_bytes: int
    segments: int
    descriptors: int


def holding(pid: int) -> Holding:
    """Of a process; memory that it shares is not counted."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    own = int(status.partition("RssAnon:")[2].split()[0]) * 1024
    return Holding(own, mappings(pid), descriptors(pid))


@contextmanager
def hanging_up(clip: Path | None) -> Iterator[list[str]]:
    """Addresses of cameras, in a process of their own, that hang up after a tenth of a second."""
    port = free_port()
    with TemporaryDirectory() as folder:
        file = clip or write_drawn_clip(Path(folder) / "walk.mp4", 160)
        words = ["camera", *[str(file)] * len(STREAMS), "--port", str(port)]
        words += ["--fault", "disconnect:at=0.1"]
        # Nobody reads what it says: in a pipe, it would stand still after some hundred connections.
        with Popen(
            [*COMMAND, *words], cwd=folder, env=environment(), stdout=DEVNULL, stderr=DEVNULL
        ) as camera:
            yield [f"rtsp://127.0.0.1:{port}/{name}" for name in STREAMS]
            camera.terminate()


def reconnects(fleet: RunningFleet) -> int:
    """Of all streams so far."""
    return sum(view.reconnects for view in fleet.fleet.describe_all())


def wait_for_reconnects(fleet: RunningFleet, least: int) -> None:
    """Until there were so many."""
    fleet.wait(lambda: reconnects(fleet) >= least, f"{least} reconnects")


def sample(fleet: RunningFleet) -> dict[str, Holding]:
    """Of each process; throws away what only tests keep."""
    for name in STREAMS:
        fleet.sinks[name].results.clear()
    fleet.events.clear()
    pids = {process.name: process.pid for process in fleet.fleet.health().processes}
    return {name: holding(pid) for name, pid in (pids | {"supervisor": os.getpid()}).items()}


def python_objects() -> int:
    """Of this process, that the garbage collector knows."""
    gc.collect()
    return len(gc.get_objects())


def measure(clip: Path | None, count: int, minutes: float) -> dict[str, Any]:
    """Figures of each process."""
    clock = SystemClock()
    end = clock.monotonic() + 60 * minutes
    samples: list[tuple[int, dict[str, Holding]]] = []
    objects = []
    with hanging_up(clip) as addresses, running_fleet(streams_per_worker=len(STREAMS)) as fleet:
        for name, address in zip(STREAMS, addresses, strict=True):
            fleet.add(name, address, patience=QUICK)
        for number in range(1, SAMPLES + 1):
            wait_for_reconnects(fleet, number * count // SAMPLES)
            samples.append((reconnects(fleet), sample(fleet)))
            if number == SAMPLES // 5:
                objects.append(python_objects())
            if clock.monotonic() >= end:
                break
        objects.append(python_objects())
        frames = sum(fleet.fleet.ledger(name).read for name in STREAMS)
    names = samples[-1][1].keys()
    return {
        "reconnects": samples[-1][0],
        "frames_read": frames,
        "python_objects_of_supervisor": objects,
        "processes": {name: figures(name, samples) for name in names},
    }


def figures(name: str, samples: list[tuple[int, dict[str, Holding]]]) -> dict[str, Any]:
    """How one process grew."""
    later = [(at, found[name]) for at, found in samples[round(len(samples) * WARM_UP_SHARE) :]]
    growth = fitted([at for at, _ in later], [held.own_memory_bytes for _, held in later])
    segments = [held.segments for _, held in later]
    opened = [held.descriptors for _, held in later]
    return {
        "bytes_a_reconnect": round(growth.slope, 1),
        "bytes_a_reconnect_95_percent": [
            round(end, 1) if isfinite(end) else None for end in (growth.low, growth.high)
        ],
        "grows": growth.is_proven and growth.slope >= LIMIT_BYTES,
        "mapped_segments": [min(segments), max(segments)],
        "descriptors": [min(opened), max(opened)],
        "own_memory_kib": [found[name].own_memory_bytes >> 10 for _, found in samples[::5]],
    }


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--clip", type=Path, default=None)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=3.5)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    found = measure(arguments.clip, arguments.count, arguments.minutes)
    processes = found["processes"]
    grown = [
        Figure(
            f"Growth of {name} over {found['reconnects']} reconnects",
            one["bytes_a_reconnect"],
            "bytes each",
        )
        for name, one in processes.items()
    ]
    write_report("reconnects", grown, found, arguments.out)
    sys.exit(1 if any(one["grows"] for one in processes.values()) else 0)


if __name__ == "__main__":
    main()
