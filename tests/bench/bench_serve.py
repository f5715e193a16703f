"""Frames per second of the daemon against the inline runner, on one clip with one engine.

    python -m tests.bench.bench_serve CLIP [--streams 4] [--seconds 5] [--rounds 10] [--out F.json]

The daemon reads the clip as several streams at once, round and round at the clip's own pace: more
frames than the engine can take. Its inferred frames a second, counted by its ledgers, take turns
with those of the inline runner. Processes, shared memory, scheduling and delivery are all in it; so
is the decoding of the frames that are dropped.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event, Thread

import yaml

from engines.open_engine import EngineName
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.commands.check_site import wrong_with_model
from stream.commands.serve import TrackersOfModels, engine_process
from stream.fleet.daemon import Daemon
from stream.frame import Outcome
from stream.pipeline import StopRequest
from tests.bench.bench_run import Bench
from tests.bench.report import Figure, write_report

WARM_UP_FRAMES = 8
CLOCK = SystemClock()


def write_site_of(clip: Path, folder: Path, bench: Bench, arguments: argparse.Namespace) -> Path:
    """One stream for each reading of the clip, and the inline runner's engine."""
    spec = bench.engine.spec
    streams = [
        {
            "name": f"copy{number}",
            "url": str(clip.resolve()),
            "profile": "file",
            "model": arguments.model,
            "paused": True,
        }
        for number in range(arguments.streams)
    ]
    site = {
        "streams": streams,
        "sinks": [{"kind": "jsonl", "folder": "out"}],
        "engine": {
            "name": spec.engine,
            "precision": spec.precision.value,
            "threads": spec.threads,
            "batch": arguments.batch,
        },
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(site), "utf-8")
    return file


def inferred(daemon: Daemon) -> int:
    """By all streams together."""
    return sum(view.ledger.outcomes[Outcome.INFERRED] for view in daemon.fleet.describe_all())


class PausedDaemon:
    """A daemon that reads nothing but while it is measured."""

    def __init__(self, site: Path) -> None:
        self._daemon = Daemon(site, engine_process, CLOCK, wrong_with_model, TrackersOfModels())
        self._stop, self._pause = StopRequest(), Event()
        self._thread = Thread(target=self._daemon.run, args=(self._stop,), name="supervisor")
        self._thread.start()

    def fps(self, seconds: float) -> float:
        """Inferred frames a second, once it is warm."""
        self._each(self._daemon.fleet.resume)
        warm = inferred(self._daemon) + WARM_UP_FRAMES
        while inferred(self._daemon) < warm:
            self._pause.wait(0.02)
        begun, before = CLOCK.monotonic(), inferred(self._daemon)
        self._pause.wait(seconds)
        fps = (inferred(self._daemon) - before) / (CLOCK.monotonic() - begun)
        self._each(self._daemon.fleet.pause)
        return fps

    def close(self) -> None:
        """Ends it."""
        self._stop.request()
        self._thread.join()

    def _each(self, action: Callable[[str], None]) -> None:
        for name in self._daemon.fleet.names():
            action(name)


def one_round(bench: Bench, daemon: PausedDaemon, out: Path, seconds: float) -> dict[str, float]:
    """The daemon between two turns of the inline runner, so that a busy neighbour slows both."""
    first = bench.run("inline", out).frames_per_second
    fps = daemon.fps(seconds)
    second = bench.run("inline", out).frames_per_second
    inline = 2 / (1 / first + 1 / second)
    return {"daemon_fps": fps, "inline_fps": inline, "daemon_of_inline": fps / inline}


def figures(arguments: argparse.Namespace, rounds: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Medians of the rounds."""
    what = f"{Path(arguments.model).name} on {arguments.clip.name}"

    def middle(key: str) -> float:
        return median(one[key] for one in rounds)

    return [
        Figure(f"Daemon, {arguments.streams} streams, {what}", middle("daemon_fps"), "frames/s"),
        Figure(f"Inline runner, {what}", middle("inline_fps"), "frames/s"),
        Figure(
            f"Daemon of the inline runner, {what}",
            middle("daemon_of_inline"),
            "",
            quartiles=_quartiles([one["daemon_of_inline"] for one in rounds]),
        ),
    ]


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Of two values or more; they tell how quiet the machine was."""
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="auto", choices=list(EngineName))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    """Measures, prints, writes."""
    arguments = parsed_arguments()
    load_before = round(os.getloadavg()[0], 2)
    bench = Bench(arguments.clip, find_model(arguments.model), arguments)
    with TemporaryDirectory() as folder:
        site = write_site_of(arguments.clip, Path(folder), bench, arguments)
        out = Path(folder) / "inline.jsonl"
        with closing(PausedDaemon(site)) as daemon:
            rounds = [
                one_round(bench, daemon, out, arguments.seconds) for _ in range(arguments.rounds)
            ]
    details = {
        "clip": arguments.clip.name,
        "size": bench.size,
        "streams": arguments.streams,
        "seconds": arguments.seconds,
        "inline_frames": 2 * arguments.frames,
        "batch": arguments.batch,
        "engine": asdict(bench.engine.spec),
        "rounds": [{key: round(value, 3) for key, value in one.items()} for one in rounds],
        "load_average_before": load_before,
    }
    write_report("serve", figures(arguments, rounds), details, arguments.out)


if __name__ == "__main__":
    main()
