"""Many cameras into one daemon: shares, ages and the ledger, with real RTSP between them.

    python -m tests.bench.bench_cameras CLIP [--cameras 16] [--max-fps 2] [--seconds 30] [--out F]

The clip is coded anew as 1280x720 H.264, 30 frames a second unless --camera-fps says else;
`posestream camera` serves it once for each camera, in a process of its own on the same machine.
Ages are those of the daemon's own histogram (from the decoder to the sinks). Exit code 1 if a
ledger does not balance.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import av
import yaml
from prometheus_client import CollectorRegistry

from stream.clock import Clock, SystemClock
from stream.commands.check_site import wrong_with_model
from stream.commands.serve import TrackersOfModels, engine_process
from stream.fleet.daemon import Daemon
from stream.fleet.stream_machine import StreamState
from stream.frame import Outcome
from stream.ledger import FrameLedger
from stream.metrics import AGE_BUCKETS_SECONDS
from stream.pipeline import StopRequest
from tests.bench.report import Figure, write_report

SIZE, CLIP_SECONDS, BIT_RATE = (1280, 720), 10, 4_000_000
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120.0
AGE = "posestream_result_age_seconds"


def coded_anew(clip: Path, target: Path, fps: int = 30) -> Path:
    """Ten seconds of the clip as a usual camera sends them, round and round if it is shorter."""
    wanted = fps * CLIP_SECONDS
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        stream.gop_size, stream.max_b_frames = fps, 0
        stream.options = {"preset": "veryfast", "threads": "2"}
        written = 0
        while written < wanted:
            with av.open(str(clip)) as source:
                for frame in source.decode(video=0):
                    if written >= wanted:
                        break
                    scaled = frame.reformat(*SIZE, format="yuv420p")
                    scaled.pts, scaled.time_base = written, Fraction(1, fps)
                    out.mux(stream.encode(scaled))
                    written += 1
        out.mux(stream.encode(None))
    return target


@contextmanager
def cameras(clip: Path, count: int) -> Iterator[tuple[int, list[str]]]:
    """The cameras' process id and addresses."""
    command = [sys.executable, "-m", "stream", "camera", *[str(clip)] * count, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process, closing(process.stdout):
        try:
            yield process.pid, [process.stdout.readline().strip() for _ in range(count)]
        finally:
            process.kill()


def site_of(addresses: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """One stream for each address."""
    stream = {"max_fps": arguments.max_fps, "model": arguments.model}
    wishes = {key: value for key, value in stream.items() if value is not None}
    streams = [{"name": f"cam{n}", "url": url, **wishes} for n, url in enumerate(addresses)]
    engine = {"batch": arguments.batch, "threads": arguments.threads}
    return {
        "streams": streams,
        "sinks": [{"kind": "jsonl", "folder": "out"}],
        "engine": {key: value for key, value in engine.items() if value is not None},
    }


def measure(site: Path, camera_pid: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """What happened between the moment when all streams were live and the end."""
    clock, stop, pause = SystemClock(), StopRequest(), Event()
    daemon = Daemon(site, engine_process, clock, wrong_with_model, TrackersOfModels())
    begun = clock.monotonic()
    thread = Thread(target=daemon.run, args=(stop,), name="supervisor")
    thread.start()
    try:
        _wait_until_live(daemon, clock, begun)
        live_seconds = clock.monotonic() - begun
        pause.wait(arguments.warm_up)
        pids = {"cameras": camera_pid, "supervisor": os.getpid()}
        pids |= {process.name: process.pid for process in daemon.fleet.health().processes}
        first = _Moment(daemon, pids, clock)
        pause.wait(arguments.seconds)
        last = _Moment(daemon, pids, clock)
        memory = {p.name: p.own_memory_bytes >> 20 for p in daemon.fleet.health().processes}
    finally:
        begun_stop = clock.monotonic()
        stop.request()
        thread.join()
    return {
        "all_live_after_seconds": round(live_seconds, 2),
        "stopped_after_seconds": round(clock.monotonic() - begun_stop, 2),
        "own_memory_mib": memory,
        **last.since(first),
    }


def _wait_until_live(daemon: Daemon, clock: Clock, begun: float) -> None:
    pause = Event()
    while not (
        daemon.fleet.health().is_engine_ready
        and all(view.state is StreamState.LIVE for view in daemon.fleet.describe_all())
    ):
        assert clock.monotonic() < begun + START_SECONDS, daemon.fleet.describe_all()
        pause.wait(0.02)


class _Moment:
    """Everything that counts, at once."""

    def __init__(self, daemon: Daemon, pids: dict[str, int], clock: Clock) -> None:
        self.seconds = clock.monotonic()
        views = daemon.fleet.describe_all()
        self.ledgers = {view.name: view.ledger for view in views}
        self.reconnects = sum(view.reconnects for view in views)
        self.ages = _age_counts(daemon.registry)
        self.cpu = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        self.batches = _sample(daemon.registry, "posestream_batch_size_count")
        self.stages = {
            stage: (
                _sample(daemon.registry, "posestream_stage_seconds_sum", stage=stage),
                _sample(daemon.registry, "posestream_stage_seconds_count", stage=stage),
            )
            for stage in ("queue", "pre", "infer", "post", "track", "publish")
        }

    def since(self, first: "_Moment") -> dict[str, Any]:
        seconds = self.seconds - first.seconds
        counts = {
            name: _difference(ledger, first.ledgers[name]) for name, ledger in self.ledgers.items()
        }
        inferred = [count[Outcome.INFERRED] for count in counts.values()]
        ages = [after - before for before, after in zip(first.ages, self.ages, strict=True)]
        cores = {name: (self.cpu[name] - first.cpu[name]) / seconds for name in self.cpu}
        batches = self.batches - first.batches
        return {
            "seconds": round(seconds, 1),
            "read_fps_per_camera": _range([c["read"] / seconds for c in counts.values()]),
            "inferred_fps_per_camera": _range([count / seconds for count in inferred]),
            "jain_index": round(jain(inferred), 5),
            "age_p95_seconds": quantile(ages, 0.95),
            "age_p50_seconds": quantile(ages, 0.5),
            "age_within_250_ms": round(_share_within(ages, 0.25), 4),
            "dropped": sum(count[Outcome.DROPPED] for count in counts.values()),
            "failed": sum(count[Outcome.FAILED] for count in counts.values()),
            "reconnects": self.reconnects - first.reconnects,
            "frames_a_batch": round(sum(inferred) / max(batches, 1), 2),
            "stage_ms": {
                stage: _mean_ms(before, self.stages[stage])
                for stage, before in first.stages.items()
            },
            "cores_used": {name: round(used, 3) for name, used in cores.items()},
            "ledgers_balance": all(_balances(ledger) for ledger in self.ledgers.values()),
        }


def jain(shares: list[int]) -> float:
    """1 if all have the same, 1/n if one has everything (Jain, Chiu, Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares) or 1)


def quantile(counts: list[float], share: float) -> float:
    """Of a histogram with the buckets of ages, linear within its bucket."""
    edges = [0.0, *AGE_BUCKETS_SECONDS, AGE_BUCKETS_SECONDS[-1]]
    wanted, below = share * sum(counts), 0.0
    for count, (low, high) in zip(counts, pairwise(edges), strict=True):
        if below + count >= wanted and count:
            return round(low + (high - low) * (wanted - below) / count, 4)
        below += count
    return float("nan")


def _share_within(counts: list[float], seconds: float) -> float:
    within = sum(counts[: AGE_BUCKETS_SECONDS.index(seconds) + 1])
    return within / (sum(counts) or 1)


def _balances(ledger: FrameLedger) -> bool:
    return ledger.read == sum(ledger.outcomes.values()) + ledger.in_flight and ledger.in_flight >= 0


def _difference(last: FrameLedger, first: FrameLedger) -> dict[str, int]:
    found = {o.value: last.outcomes[o] - first.outcomes[o] for o in Outcome}
    return {"read": last.read - first.read, **found}


def _range(values: list[float]) -> list[float]:
    return [round(min(values), 3), round(max(values), 3)]


def _mean_ms(before: tuple[float, float], after: tuple[float, float]) -> float:
    return round(1000 * (after[0] - before[0]) / max(after[1] - before[1], 1), 2)


def _age_counts(registry: CollectorRegistry) -> list[float]:
    """Results in each bucket, not added up."""
    edges = [*(str(float(edge)) for edge in AGE_BUCKETS_SECONDS), "+Inf"]
    summed = [_sample(registry, f"{AGE}_bucket", le=edge) for edge in edges]
    return [after - before for before, after in pairwise([0.0, *summed])]


def _sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def figures(arguments: argparse.Namespace, found: dict[str, Any]) -> list[Figure]:
    """What users ask first."""
    what = (
        f"{arguments.cameras} cameras 1280x720 at {arguments.camera_fps} frames/s, "
        f"{arguments.max_fps:g} of each inferred"
    )
    return [
        Figure(f"{what}: age of results, p95", found["age_p95_seconds"], "s", readme=True),
        Figure(f"{what}: Jain index", found["jain_index"], ""),
        Figure(f"{what}: frames dropped", found["dropped"], "frames"),
    ]


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--camera-fps", type=int, default=30)
    parser.add_argument("--max-fps", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--batch", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    """Measures, prints, writes."""
    arguments = parsed_arguments()
    with TemporaryDirectory() as name:
        folder = Path(name)
        clip = coded_anew(arguments.clip, folder / "camera.mp4", arguments.camera_fps)
        with cameras(clip, arguments.cameras) as (pid, addresses):
            site = folder / "site.yaml"
            site.write_text(yaml.safe_dump(site_of(addresses, arguments)), "utf-8")
            load_before = os.getloadavg()[0]
            found = measure(site, pid, arguments)
    wishes = {key: value for key, value in vars(arguments).items() if key not in ("clip", "out")}
    details = {
        "clip": arguments.clip.name,
        **wishes,
        "model": Path(arguments.model).name,
        **found,
        "load_before_and_after": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    write_report("cameras", figures(arguments, found), details, arguments.out)
    sys.exit(0 if found["ledgers_balance"] else 1)


if __name__ == "__main__":
    main()
