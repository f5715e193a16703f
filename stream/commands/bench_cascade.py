"""`posestream bench A+B`: what a frame costs by the number of people in it."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from engines.artefact import Artefact
from engines.benchmark import Timing, take_turns
from engines.canvas_stage import EngineFactory
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.models import CascadeModels, find_cascade
from engines.cascade.settings import CascadeCounts, CascadeWatch
from engines.certification.certificate import Certificate
from engines.certification.picture_set import drawn_set
from engines.engine import Engine
from engines.known_people import HEIGHT, WIDTH, KnownPeople, KnownPeopleEngine, draw_known_people
from engines.openvino_engine import graph_gflop
from stream.clock import Clock, SystemClock
from stream.commands.bench import QUANTILES, hardware_line
from stream.commands.chosen_engine import ChosenEngine
from stream.commands.open_parts import EngineNews, engine_opener
from stream.commands.run_settings import RunSettings
from stream.errors import EngineError
from stream.frame import Frame
from stream.picture import Picture, picture_from_rgb

Floats = NDArray[np.float64]

DONE = 0
FPS = 25


@dataclass(frozen=True, slots=True)
class CascadeBench:
    """The options of `posestream bench` for several models."""

    engine: ChosenEngine
    people: tuple[int, ...]
    seconds: float
    detect_every: int = 1


@dataclass(slots=True)
class _Bench:
    """The cascade under test; says who is in a frame when it is shown one."""

    models: CascadeModels
    settings: RunSettings
    clock: Clock
    news: EngineNews = field(default_factory=EngineNews)
    certificates: list[Certificate] = field(default_factory=list)
    counts: list[CascadeCounts] = field(default_factory=list)
    searchers: list[KnownPeopleEngine] = field(default_factory=list)
    indices: "count[int]" = field(default_factory=count)

    def estimator(self) -> CascadeEstimator:
        return CascadeEstimator(
            self.models,
            self._opener,
            clock=self.clock,
            settings=self.settings.cascade,
            watch=CascadeWatch(count=self.counts.append),
        )

    def show(self, known: KnownPeople, *, told: bool = True) -> None:
        for searcher in self.searchers:
            searcher.people = known.poses if told else None

    def _opener(self, artefact: Artefact) -> EngineFactory:
        open_engine = engine_opener(self.settings, self.clock, self.news)(artefact)
        return partial(self._open, artefact, open_engine)

    def _open(
        self, artefact: Artefact, open_engine: EngineFactory, canvas: tuple[int, int]
    ) -> Engine:
        engine = open_engine(canvas)
        if self.news.certificate is not None:
            self.certificates.append(self.news.certificate)
        if artefact is not self.models.first:
            return engine
        self.searchers.append(KnownPeopleEngine(engine, artefact.manifest))
        return self.searchers[-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Contestant:
    """So many people; implements `engines.benchmark.Timed`."""

    people: int
    known: KnownPeople
    picture: Picture
    bench: _Bench
    estimator: CascadeEstimator
    batch: int = 1

    @property
    def name(self) -> str:
        return f"{self.people} people"

    def call(self) -> int:
        self.bench.show(self.known)
        return len(self.estimator.estimate([self.frame()])[0].poses)

    def frame(self) -> Frame:
        index = next(self.bench.indices)
        return Frame(self.name, 0, index, index / FPS, 0.0, self.picture)


def bench_cascade(settings: CascadeBench, *, as_json: bool) -> int:
    """Prints times on standard output.

    Raises:
        PoseStreamError: if a model or an engine cannot be opened, an engine disagrees with its
            reference, or people depend on the batch they ride in.
    """
    clock = SystemClock()
    bench = _Bench(find_cascade(settings.engine.model), _run_settings(settings), clock)
    with closing(bench.estimator()) as estimator:
        estimator.prepare(WIDTH, HEIGHT)
        entered = [_enter(people, bench, estimator) for people in settings.people]
        _require_same_in_batch(entered)
        found = [_found(one) for one in entered]
        bench.counts.clear()
        timings = take_turns(entered, settings.seconds, clock)
        report = _report(settings, bench, estimator, timings)
    for row, here in zip(report["people"], found, strict=True):
        row.update(here)
    if as_json:
        Console().print_json(json.dumps(report))
    else:
        _print(report)
    return DONE


def _run_settings(settings: CascadeBench) -> RunSettings:
    engine = settings.engine
    return RunSettings(
        source="bench",
        model=engine.model,
        engine=engine.engine,  # type: ignore[arg-type]  # the command line checked it
        precision=engine.precision,  # type: ignore[arg-type]
        threads=engine.threads,
        cache=engine.cache,
        detect_every=settings.detect_every,
    )


def _enter(people: int, bench: _Bench, estimator: CascadeEstimator) -> _Contestant:
    known = draw_known_people(people, drawn_set())
    return _Contestant(people, known, picture_from_rgb(known.rgb), bench, estimator)


def _require_same_in_batch(entered: Sequence[_Contestant]) -> None:
    """What a frame gets may not depend on what it rides with."""
    crowd = max(entered, key=lambda one: one.people)
    crowd.bench.show(crowd.known)
    again = [
        Frame(f"stream {number}", 0, 0, 0.0, 0.0, crowd.picture) for number in range(len(entered))
    ]
    together = crowd.estimator.estimate(again)
    alone = crowd.estimator.estimate([Frame("alone", 0, 0, 0.0, 0.0, crowd.picture)])[0]
    for people in together:
        same = [
            np.array_equal(one.keypoints_px, other.keypoints_px) and one.score == other.score
            for one, other in zip(people.poses, alone.poses, strict=True)
        ]
        if not all(same):
            raise EngineError(
                f"cascade {crowd.estimator.model}: {same.count(False)} of {len(same)} people "
                "depend on the batch they ride in; not timed"
            )


def _found(one: _Contestant) -> dict[str, int]:
    """How many people come out, and how many the first model finds by itself."""
    kept = one.call()
    one.bench.show(one.known, told=False)
    one.bench.counts.clear()
    one.estimator.estimate([Frame(f"{one.name} by itself", 0, 0, 0.0, 0.0, one.picture)])
    return {"kept": kept, "found_by_itself": one.bench.counts[-1].detected}


def _report(
    settings: CascadeBench, bench: _Bench, estimator: CascadeEstimator, timings: Sequence[Timing]
) -> dict[str, Any]:
    return {
        "measured": datetime.fromtimestamp(bench.clock.wall(), UTC).date().isoformat(),
        "version": version("posestream"),
        "hardware": hardware_line(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "cascade": estimator.model,
        "frame": [WIDTH, HEIGHT],
        "detect_every": settings.detect_every,
        "models": _models(bench, estimator),
        "people": [
            _figures(people, timing)
            for people, timing in zip(settings.people, timings, strict=True)
        ],
        "cost": [
            _cost(people, timing, settings.people[0], timings[0], settings.detect_every)
            for people, timing in zip(settings.people[1:], timings[1:], strict=True)
        ],
    }


def _models(bench: _Bench, estimator: CascadeEstimator) -> list[dict[str, Any]]:
    verdicts = {one.model: one for one in bench.certificates}
    by_name = {one.manifest.name: one for one in bench.models.artefacts}
    rows = []
    for spec in estimator.engine_specs:
        certificate = verdicts[spec.model]
        rows.append(
            {
                "engine": asdict(spec),
                "onnx_sha256": by_name[spec.model].manifest.onnx_sha256,
                "gflop_per_image": _gflop(by_name[spec.model], spec.canvas),
                "verdict": certificate.verdict,
                "agreement": dict(certificate.agreement),
            }
        )
    return rows


def _gflop(artefact: Artefact, canvas: tuple[int, int]) -> float | None:
    try:
        return round(graph_gflop(artefact, canvas), 3)
    except EngineError:  # counting needs OpenVINO; the times do not
        return None


def _figures(people: int, timing: Timing) -> dict[str, Any]:
    return {
        "people": people,
        "rounds": len(timing.seconds),
        **{f"{name}_ms": round(timing.quantile_ms(at), 3) for name, at in QUANTILES.items()},
        "mean_ms": round(1000 * float(timing.seconds.mean()), 3),
        "frames_per_second": round(1 / float(timing.seconds.mean()), 2),
    }


def _cost(
    people: int, timing: Timing, least: int, first: Timing, detect_every: int
) -> dict[str, Any]:
    """How many times the time of the fewest people, from one search to the next."""
    ratio = _per_search(timing, detect_every) / _per_search(first, detect_every)
    low, middle, high = (round(float(np.quantile(ratio, at)), 3) for at in (0.25, 0.5, 0.75))
    return {"people": people, "over": least, "median": middle, "quartiles": [low, high]}


def _per_search(timing: Timing, detect_every: int) -> Floats:
    """(rounds / detect_every,) seconds of a searched frame and those it is carried to."""
    whole = len(timing.seconds) // detect_every * detect_every
    if not whole:
        return np.array([timing.seconds.sum()])
    seconds: Floats = timing.seconds[:whole].reshape(-1, detect_every).sum(1)
    return seconds


def _print(report: dict[str, Any]) -> None:
    console = Console()
    line = f"{report['cascade']} on {WIDTH}x{HEIGHT}; {report['hardware']}"
    console.print(line, soft_wrap=True, highlight=False)
    table = Table("people", "kept", "p50", "p95", "p99 (ms)", "frames/s")
    for row in report["people"]:
        times = (f"{row[f'{name}_ms']:.1f}" for name in QUANTILES)
        table.add_row(str(row["people"]), str(row["kept"]), *times, f"{row['frames_per_second']:g}")
    console.print(table)
    for cost in report["cost"]:
        low, high = cost["quartiles"]
        words = (
            f"{cost['people']} people cost {cost['median']:.2f} x {cost['over']} ({low} to {high})"
        )
        console.print(words, soft_wrap=True, highlight=False)
