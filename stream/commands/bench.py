"""`posestream bench`: checks outputs first, then times engines."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import combinations
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from engines.artefact import Artefact
from engines.benchmark import Contestant, Timing, take_turns
from engines.certification.certificate import Certificate, Judgement
from engines.certification.certify import ReferenceFinder, certify
from engines.certification.probe import batch_of, probe_inputs
from engines.engine import EngineSpec
from engines.hardware import available_threads, cpu_features
from engines.openvino_engine import graph_gflop
from stream.clock import Clock, SystemClock
from stream.commands.chosen_engine import ChosenEngine
from stream.errors import EngineError

DONE, FAILED = 0, 1
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """The options of `posestream bench`."""

    engine: ChosenEngine
    batches: tuple[int, ...]
    compare: tuple[str, str] | None
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Checked:
    """A contestant whose people are those of the reference, or not."""

    contestant: Contestant
    spec: EngineSpec
    certificate: Certificate


def bench_command(settings: BenchSettings, *, as_json: bool) -> int:
    """Prints times on standard output; returns 1 if an engine disagrees with the reference.

    Raises:
        PoseStreamError: if the model, the pictures or an engine cannot be opened.
    """
    console, clock = Console(stderr=True), SystemClock()
    artefact = settings.engine.find_artefact()
    with ExitStack() as close_last:
        entered = list(_enter(settings, artefact, clock, close_last))
        wrong = [one for one in entered if one.certificate.verdict is Judgement.FAILED]
        for one in wrong:
            reasons = "; ".join(one.certificate.reasons)
            console.print(f"[red]not timed[/]: {one.certificate.in_words}: {reasons}")
        if wrong:
            return FAILED
        timings = take_turns([one.contestant for one in entered], settings.seconds, clock)
    report = _report(settings, artefact, entered, timings, clock)
    if as_json:
        Console().print_json(json.dumps(report))
    else:
        _print(report)
    return DONE


def hardware_line() -> str:
    """The processor in one line."""
    cpu = cpu_features()
    return f"{cpu.name}, {cpu.instruction_class}, {available_threads()} threads"


def _enter(
    settings: BenchSettings, artefact: Artefact, clock: Clock, close_last: ExitStack
) -> Iterator[_Checked]:
    """Opens each engine for each batch size and compares its people with the reference's."""
    canvas, pictures = artefact.manifest.canvases[0], settings.engine.picture_set()
    finder = ReferenceFinder(artefact)
    words = settings.compare or (None,)
    for engine in (settings.engine.of_engine(one) if one else settings.engine for one in words):
        for batch in settings.batches:
            opened = close_last.enter_context(closing(engine.open(artefact, canvas, (batch,))))
            spec = opened.spec
            name = f"{spec.engine} {spec.precision} batch {batch}"
            rows = batch_of(probe_inputs(artefact.manifest, pictures, canvas), batch)
            certificate = certify([opened], artefact, pictures, finder, clock)
            yield _Checked(Contestant(name, opened, rows), spec, certificate)


def _report(
    settings: BenchSettings,
    artefact: Artefact,
    entered: Sequence[_Checked],
    timings: Sequence[Timing],
    clock: Clock,
) -> dict[str, Any]:
    canvas = artefact.manifest.canvases[0]
    gflop = _gflop(artefact, canvas)
    return {
        "measured": datetime.fromtimestamp(clock.wall(), UTC).date().isoformat(),
        "version": version("posestream"),
        "hardware": hardware_line(),
        "model": artefact.manifest.name,
        "onnx_sha256": artefact.manifest.onnx_sha256,
        "canvas": list(canvas),
        "gflop_per_image": gflop,
        "pictures": settings.engine.picture_set().name,
        "engines": [
            _engine_figures(one, timing, gflop)
            for one, timing in zip(entered, timings, strict=True)
        ],
        "speed_ups": [_speed_up(one, other) for one, other in combinations(timings, 2)],
    }


def _engine_figures(one: _Checked, timing: Timing, gflop: float | None) -> dict[str, Any]:
    rate = timing.images_per_second
    return {
        "name": timing.name,
        "engine": one.spec.engine,
        "version": one.spec.version,
        "precision": one.spec.precision,
        "device": one.spec.device,
        "threads": one.spec.threads,
        "batch": timing.batch,
        "rounds": len(timing.seconds),
        **{f"{name}_ms": round(timing.quantile_ms(at), 3) for name, at in QUANTILES.items()},
        "images_per_second": round(rate, 2),
        "gflop_per_second": round(gflop * rate, 1) if gflop else None,
        "verdict": one.certificate.verdict,
        "agreement": dict(one.certificate.agreement),
    }


def _speed_up(first: Timing, second: Timing) -> dict[str, Any]:
    """Per image; the quartiles say how steady it was."""
    ratio = first.speed_up_over(second)
    low, middle, high = (round(float(np.quantile(ratio, at)), 3) for at in (0.25, 0.5, 0.75))
    return {"of": first.name, "over": second.name, "median": middle, "quartiles": [low, high]}


def _gflop(artefact: Artefact, canvas: tuple[int, int]) -> float | None:
    try:
        return round(graph_gflop(artefact, canvas), 3)
    except EngineError:  # counting needs OpenVINO; the times do not
        return None


def _print(report: dict[str, Any]) -> None:
    width, height = report["canvas"]
    gflop = f", {report['gflop_per_image']:g} GFLOP an image" if report["gflop_per_image"] else ""
    title = f"{report['model']} at {width}x{height}{gflop}; {report['hardware']}"
    table = Table("engine", "p50", "p95", "p99 (ms)", "images/s", "GFLOP/s", "agreement")
    for one in report["engines"]:
        rate = one["gflop_per_second"]
        table.add_row(
            one["name"],
            *(f"{one[f'{name}_ms']:.1f}" for name in QUANTILES),
            f"{one['images_per_second']:.1f}",
            "" if rate is None else f"{rate:g}",
            f"{one['verdict']}, OKS {one['agreement']['mean_oks']:.3f}",
        )
    console = Console()
    console.print(title, soft_wrap=True, highlight=False)
    console.print(table)
    for pair in report["speed_ups"]:
        low, high = pair["quartiles"]
        line = f"{pair['of']}: {pair['median']:.2f} x {pair['over']} per image ({low} to {high})"
        console.print(line, soft_wrap=True, highlight=False)
