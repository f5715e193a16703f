"""Frames per second of a whole run against its slowest part, after checking that runners agree.

    python -m tests.bench.bench_run CLIP [--frames N] [--rounds N] [--out FILE.json]

Decoding alone, the engine alone and the run take turns, so a busy neighbour slows all of them
alike; the ratio is taken within each round. Runners that disagree end the bench with exit code 1.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.engine_options import EngineOptions
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName, file_batch, open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.geometry import best_canvas, letterbox
from stream.ingest.open_source import open_source
from stream.inline import run_inline
from stream.picture import to_canvas
from stream.pipeline import Run, Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.jsonl_sink import JsonlSink
from stream.tracking.tracker import Tracker
from stream.worker import run_concurrent
from tests.bench.report import Figure, write_report

RUNNERS = {"inline": run_inline, "concurrent": run_concurrent}
CANVASES_HELD = 16


class Bench:
    """One clip and one model, measured part by part and as a whole."""

    def __init__(self, clip: Path, artefact: Artefact, arguments: argparse.Namespace) -> None:
        self._clip = clip
        self._clock = SystemClock()
        self._artefact = artefact
        self._arguments = arguments
        with closing(open_source(str(clip), stream="bench", clock=self._clock)) as source:
            about = source.description
            self.size = (about.width, about.height)
        self.canvas = best_canvas(*self.size, artefact.manifest.canvases)
        self.engine = open_engine(
            artefact,
            engine=EngineName(arguments.engine),
            canvas=self.canvas,
            threads=arguments.threads,
            options=EngineOptions((arguments.batch,)),
        )
        self._canvases = self._first_canvases()

    def decode_fps(self) -> float:
        """Frames a second of decoding, nothing else."""
        with closing(open_source(str(self._clip), stream="bench", clock=self._clock)) as source:
            start = self._clock.monotonic()
            count = sum(1 for _ in zip(source.frames(), range(self._frames), strict=False))
            return count / (self._clock.monotonic() - start)

    def engine_fps(self) -> float:
        """Pictures a second of the engine alone, in the batches of the run."""
        batch = self._arguments.batch
        start = self._clock.monotonic()
        for index in range(0, self._frames, batch):
            first = index % (len(self._canvases) - batch + 1)
            self.engine.infer({"canvas": self._canvases[first : first + batch]})
        return self._frames / (self._clock.monotonic() - start)

    def run(self, runner: str, path: Path) -> RunStatistics:
        """A whole run into a JSONL file."""
        statistics = RunStatistics(self._clock)
        # The estimator would close the engine, which is needed again: it is left open.
        estimator = OnePassEstimator(
            self._artefact,
            lambda _canvas: self.engine,
            clock=self._clock,
            batch_size=self._arguments.batch,
            observe=statistics.stage,
        )
        RUNNERS[runner](
            Run(
                source=open_source(str(self._clip), stream="bench", clock=self._clock),
                estimator=estimator,
                new_tracker=Tracker,
                sink=JsonlSink(path),
                observer=statistics,
                clock=self._clock,
                stop=StopRequest(),
                selection=Selection(max_frames=self._frames),
            )
        )
        return statistics

    @property
    def _frames(self) -> int:
        return int(self._arguments.frames)

    def _first_canvases(self) -> NDArray[np.uint8]:
        place = letterbox(*self.size, *self.canvas)
        with closing(open_source(str(self._clip), stream="bench", clock=self._clock)) as source:
            frames = zip(source.frames(), range(CANVASES_HELD), strict=False)
            return np.stack([to_canvas(frame.picture, place) for frame, _ in frames])


def check_that_runners_agree(bench: Bench, folder: Path) -> None:
    """Ends the program if the two runners write different lines."""
    lines = []
    for runner in RUNNERS:
        path = folder / f"{runner}.jsonl"
        bench.run(runner, path)
        lines.append(path.read_bytes())
    if lines[0] != lines[1]:
        sys.exit("inline and concurrent runner wrote different lines")


def one_round(bench: Bench, folder: Path) -> dict[str, float]:
    """Each part once."""
    decode, engine = bench.decode_fps(), bench.engine_fps()
    statistics = bench.run("concurrent", folder / "run.jsonl")
    inline = bench.run("inline", folder / "run.jsonl").frames_per_second
    run = statistics.frames_per_second
    stages = {
        f"{stage}_p50_ms": 1000 * (times.quantile_seconds(0.5) or 0.0)
        for stage, times in statistics.stages.items()
    }
    return {
        "decode_fps": decode,
        "engine_fps": engine,
        "run_fps": run,
        "inline_fps": inline,
        "run_of_slowest_part": run / min(decode, engine),
        **stages,
    }


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--engine", default="auto", choices=list(EngineName))
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--batch", type=int, default=file_batch(EngineName.AUTO, None))
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def figures(model: str, clip: str, rounds: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Medians of the rounds."""

    def middle(key: str) -> float:
        return median(one[key] for one in rounds)

    return [
        Figure(f"Decoding alone, {clip}", middle("decode_fps"), "frames/s"),
        Figure(f"Engine alone, {model} on {clip}", middle("engine_fps"), "frames/s"),
        Figure(f"Whole run, {model} on {clip}", middle("run_fps"), "frames/s", readme=True),
        Figure(f"Whole run, inline, {model} on {clip}", middle("inline_fps"), "frames/s"),
        Figure(
            f"Whole run of its slowest part, {model} on {clip}",
            middle("run_of_slowest_part"),
            "",
            readme=True,
        ),
    ]


def main() -> None:
    """Compares, then times, then writes."""
    arguments = parsed_arguments()
    bench = Bench(arguments.clip, find_model(arguments.model), arguments)
    with TemporaryDirectory() as folder:
        check_that_runners_agree(bench, Path(folder))
        rounds = [one_round(bench, Path(folder)) for _ in range(arguments.rounds)]
    clip = f"{arguments.clip.name} ({bench.size[0]}x{bench.size[1]})"
    details = {
        "clip": arguments.clip.name,
        "size": bench.size,
        "frames": arguments.frames,
        "batch": arguments.batch,
        "engine": asdict(bench.engine.spec),
        "runners_agree": True,
        "median": {key: round(median(one.get(key, 0.0) for one in rounds), 3) for key in rounds[0]},
        "rounds": [{key: round(value, 3) for key, value in one.items()} for one in rounds],
    }
    write_report("run", figures(bench.engine.spec.model, clip, rounds), details, arguments.out)


if __name__ == "__main__":
    main()
