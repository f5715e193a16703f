"""Memory of a long run: repeats a clip as one stream for minutes and fits a line through the RSS.

    python -m tests.bench.bench_memory CLIP [--minutes 20] [--out FILE.json]

Exit code 1 if the resident memory still grows by a megabyte a minute or more after warm-up.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from engines.zoo_models import find_model
from stream.clock import Clock, SystemClock
from stream.frame import Frame, FrameResult
from stream.ingest.decode_ladder import DecodeStep
from stream.ingest.open_source import open_source
from stream.pipeline import Run, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from stream.sinks.fan_out import FanOutSink
from stream.sinks.jsonl_sink import JsonlSink
from stream.tracking.tracker import Tracker
from stream.worker import run_concurrent
from tests.bench.report import Figure, write_report

BYTES_PER_MB = 1_000_000
LIMIT_MB_PER_MINUTE = 1.0
SAMPLE_SECONDS = 1.0
WARM_UP_SHARE = 0.2
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class RepeatedClip:
    """Implements `Source`: a clip again and again, as one stream without a break."""

    def __init__(self, clip: Path, clock: Clock) -> None:
        self._clip = clip
        self._clock = clock
        self.corrupt_packets = 0
        self.decode_steps: tuple[DecodeStep, ...] = ()
        with closing(open_source(str(clip), stream="long", clock=clock)) as source:
            self.description = replace(source.description, frames_from_header=None)

    def frames(self) -> Iterator[Frame]:
        """See `Source.frames`; never ends."""
        index, began_seconds = 0, 0.0
        step_seconds = 1 / (self.description.fps_from_header or 25)
        while True:
            last_seconds = 0.0
            with closing(open_source(str(self._clip), stream="long", clock=self._clock)) as source:
                for frame in source.frames():
                    last_seconds = frame.pts_seconds
                    yield replace(frame, index=index, pts_seconds=began_seconds + last_seconds)
                    index += 1
            began_seconds += last_seconds + step_seconds

    def close(self) -> None:
        """See `Source.close`; each round closes its own."""


class MemoryObserver(RunStatistics):
    """Also samples the memory, and asks for a stop when the time is over."""

    def __init__(self, clock: Clock, stop: StopRequest, seconds: float) -> None:
        super().__init__(clock)
        self._now = clock.monotonic
        self._stop = stop
        self._seconds = seconds
        self._began = self._now()
        self.samples: list[tuple[float, float]] = []
        """(seconds since the start, resident MB)."""

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        super().published(result)
        elapsed = self._now() - self._began
        if not self.samples or elapsed - self.samples[-1][0] >= SAMPLE_SECONDS:
            self.samples.append((elapsed, resident_mb()))
        if elapsed >= self._seconds:
            self._stop.request()


def resident_mb() -> float:
    """Resident memory of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * PAGE_BYTES / BYTES_PER_MB


def slope_mb_per_minute(samples: list[tuple[float, float]]) -> float:
    """Least squares through the samples after warm-up."""
    kept = samples[int(len(samples) * WARM_UP_SHARE) :]
    seconds, megabytes = np.array(kept).T
    return float(np.polyfit(seconds / 60, megabytes, 1)[0])


def long_run(arguments: argparse.Namespace, folder: Path) -> MemoryObserver:
    """Runs for the minutes asked for, with every kind of file output."""
    clock, stop = SystemClock(), StopRequest()
    artefact = find_model(arguments.model)
    observer = MemoryObserver(clock, stop, arguments.minutes * 60)
    estimator = OnePassEstimator(
        artefact,
        lambda canvas: open_engine(artefact, canvas=canvas, threads=arguments.threads),
        clock=clock,
        observe=observer.stage,
    )
    sink = FanOutSink([JsonlSink(folder / "long.jsonl"), AnnotatedVideoSink(folder / "long.mp4")])
    with closing(estimator):
        run_concurrent(
            Run(
                source=RepeatedClip(arguments.clip, clock),
                estimator=estimator,
                new_tracker=Tracker,
                sink=sink,
                observer=observer,
                clock=clock,
                stop=stop,
            )
        )
    return observer


def figures(minutes: float, samples: list[tuple[float, float]]) -> list[Figure]:
    """How fast it grew, and where it ended."""
    growth = f"Growth of memory over {minutes:g} minutes, after warm-up"
    return [
        Figure(growth, slope_mb_per_minute(samples), "MB/min", readme=True),
        Figure(f"Resident memory after {minutes:g} minutes", samples[-1][1], "MB"),
    ]


def main() -> None:
    """Runs, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        observer = long_run(arguments, Path(folder))
    details = {
        "clip": arguments.clip.name,
        "minutes": arguments.minutes,
        "frames": observer.ledger.read,
        "samples_seconds_mb": [
            [round(seconds, 1), round(megabytes, 1)]
            for seconds, megabytes in observer.samples[::10]
        ],
    }
    write_report("memory", figures(arguments.minutes, observer.samples), details, arguments.out)
    sys.exit(int(slope_mb_per_minute(observer.samples) >= LIMIT_MB_PER_MINUTE))


if __name__ == "__main__":
    main()
