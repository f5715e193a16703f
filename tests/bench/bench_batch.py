"""Frames per second of a job over several files against its slowest part.

    python -m tests.bench.bench_batch CLIP... [--frames N] [--jobs N] [--rounds N] [--out FILE.json]

Decoding alone (as many files at a time as the job reads), the engine alone and the job take turns.
First the job's results are compared with those of one run of each file; if they differ the bench
ends with exit code 1. Clips should have one size: the engine alone is timed with the first one's.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName, file_batch
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import open_source
from stream.ingest.source import Source
from stream.jobs.job import Job, JobParts
from stream.jobs.manifest import Item, ItemState, JobManifest, JobSettings
from stream.jobs.manifest_file import ManifestFile
from stream.pipeline import Run, Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.jsonl_sink import JsonlSink
from stream.tracking.tracker import Tracker
from stream.worker import run_concurrent, start_thread
from tests.bench.bench_run import Bench
from tests.bench.report import Figure, write_report

CLOCK = SystemClock()


class Watch:
    """A job's observer that watches nothing."""

    def began(self, item: Item, source: Source) -> None:
        """See `JobObserver.began`."""

    def frame(self, item: Item) -> None:
        """See `JobObserver.frame`."""

    def ended(self, item: Item) -> None:
        """See `JobObserver.ended`."""
        if item.state is ItemState.FAILED:
            sys.exit(f"{item.path}: {item.error}")


class BatchBench:
    """Some clips and one engine, measured part by part and as a whole."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.clips: list[Path] = arguments.clips
        artefact = find_model(arguments.model)
        self.one = Bench(self.clips[0], artefact, arguments)
        self.estimator = OnePassEstimator(
            artefact, lambda _canvas: self.one.engine, clock=CLOCK, batch_size=arguments.batch
        )

    def decode_fps(self) -> float:
        """All clips decoded, `jobs` at a time, nothing else."""
        todo, counts = list(self.clips), list[int]()

        def work() -> None:
            while todo:
                clip = todo.pop()
                with closing(self._open(clip)) as source:
                    frames = zip(source.frames(), range(self.arguments.frames), strict=False)
                    counts.append(sum(1 for _ in frames))

        start = CLOCK.monotonic()
        threads = [start_thread("decode", work) for _ in range(self.arguments.jobs)]
        for thread in threads:
            thread.join()
        return sum(counts) / (CLOCK.monotonic() - start)

    def job_fps(self, out: Path) -> float:
        """All clips through a job."""
        shutil.rmtree(out, ignore_errors=True)
        items = {str(clip): Item(str(clip), clip.name) for clip in self.clips}
        manifest = JobManifest(JobSettings("bench", ""), items)
        parts = JobParts(
            estimator=self.estimator,
            new_tracker=Tracker,
            open_source=lambda item: self._open(Path(item.path)),
            open_sink=lambda item: JsonlSink(out / f"{item.name}.jsonl"),
            clock=CLOCK,
            stop=StopRequest(),
            selection=Selection(max_frames=self.arguments.frames),
        )
        with closing(ManifestFile(out, lambda _: manifest)) as file:
            start = CLOCK.monotonic()
            Job(file, parts, Watch()).run(self.arguments.jobs, lambda: None)
            seconds = CLOCK.monotonic() - start
            return sum(item.frames for item in file.manifest.items.values()) / seconds

    def check_results(self, out: Path) -> None:
        """Ends the program if a file's results differ from those of a run of its own."""
        for clip in self.clips:
            alone = out / "alone.jsonl"
            run_concurrent(
                Run(
                    source=self._open(clip),
                    estimator=self.estimator,
                    new_tracker=Tracker,
                    sink=JsonlSink(alone),
                    observer=RunStatistics(CLOCK),
                    clock=CLOCK,
                    stop=StopRequest(),
                    selection=Selection(max_frames=self.arguments.frames),
                )
            )
            if alone.read_bytes() != (out / f"{clip.name}.jsonl").read_bytes():
                sys.exit(f"{clip.name}: the job and a run of its own wrote different lines")

    def _open(self, clip: Path) -> Source:
        return open_source(
            str(clip), stream=clip.stem, clock=CLOCK, decode=DecodeOptions(thread_count=1)
        )


def one_round(bench: BatchBench, out: Path) -> dict[str, float]:
    """Each part once."""
    decode, engine, job = bench.decode_fps(), bench.one.engine_fps(), bench.job_fps(out)
    return {
        "decode_fps": decode,
        "engine_fps": engine,
        "job_fps": job,
        "job_of_slowest_part": job / min(decode, engine),
    }


def figures(arguments: argparse.Namespace, rounds: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Medians of the rounds."""
    what = f"{arguments.model}, {len(arguments.clips)} files, {arguments.jobs} at a time"
    job, part = (median(one[key] for one in rounds) for key in ("job_fps", "job_of_slowest_part"))
    return [
        Figure(f"Batch job, {what}", job, "frames/s"),
        Figure(f"Batch job of its slowest part, {what}", part, ""),
    ]


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="auto", choices=list(EngineName))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--batch", type=int, default=file_batch(EngineName.AUTO, None))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def main() -> None:
    """Compares, then times, then writes."""
    arguments = parsed_arguments()
    bench = BatchBench(arguments)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "job"
        bench.job_fps(out)
        bench.check_results(out)
        rounds = [one_round(bench, out) for _ in range(arguments.rounds)]
    details = {
        "clips": [clip.name for clip in arguments.clips],
        "size": bench.one.size,
        "frames_each": arguments.frames,
        "jobs": arguments.jobs,
        "batch": arguments.batch,
        "engine": asdict(bench.one.engine.spec),
        "results_agree": True,
        "median": {key: round(median(one[key] for one in rounds), 3) for key in rounds[0]},
        "rounds": [{key: round(value, 3) for key, value in one.items()} for one in rounds],
    }
    write_report("batch", figures(arguments, rounds), details, arguments.out)


if __name__ == "__main__":
    main()
