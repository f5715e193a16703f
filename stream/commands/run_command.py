"""`posestream run`: opens everything, runs it, says what happened.

Everything that can be refused is opened before the first output file is made: model, source,
metrics port, engine, then the outputs.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial

from rich.console import Console

from engines.cascade.models import find_cascade
from engines.cascade.settings import CascadeCounts
from engines.engine import EngineSpec
from engines.open_engine import file_batch
from stream.clock import Clock, SystemClock
from stream.commands.device_taker import device_taker, likely_engine
from stream.commands.interrupt import NOTICE, stop_on_signals
from stream.commands.open_parts import (
    EngineNews,
    engine_fields,
    new_tracker,
    open_estimator,
    open_metrics,
    open_sinks,
    stream_name,
)
from stream.commands.progress import LiveProgress
from stream.commands.run_settings import STDOUT, RunSettings
from stream.commands.summary import print_written, summary_table
from stream.errors import PoseStreamError
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import open_source
from stream.ingest.source import SourceDescription
from stream.inline import run_inline
from stream.logs import configure_logs
from stream.metrics_observer import MetricsObserver
from stream.observer import ObserverGroup
from stream.pipeline import Run, RunEnd, Selection, StopRequest
from stream.pixel_copies import TrafficCounts
from stream.run_statistics import RunStatistics
from stream.worker import run_concurrent

RUNNERS = {"inline": run_inline, "concurrent": run_concurrent}
DONE, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every step of the command needs: the wishes, the time, and whom to tell."""

    settings: RunSettings
    clock: Clock
    console: Console
    statistics: RunStatistics
    progress: LiveProgress

    def say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True, highlight=False)


def run_command(settings: RunSettings) -> int:
    """Runs until the source ends or a signal comes; returns the exit code.

    Raises:
        PoseStreamError: what cannot be opened, or ended the run.
    """
    settings = settings.with_demo_outputs()
    configure_logs(logging.ERROR if settings.quiet else logging.WARNING)
    clock, console = SystemClock(), Console(stderr=True, quiet=settings.quiet)
    statistics = RunStatistics(clock)
    progress = LiveProgress(console, statistics, clock)
    desk = _Desk(settings, clock, console, statistics, progress)
    with ExitStack() as close_last:
        return _run(desk, _open_run(desk, close_last))


def _open_run(desk: _Desk, close_last: ExitStack) -> Run:
    settings, clock = desk.settings, desk.clock
    with ExitStack() as undo:
        models = find_cascade(settings.model)
        traffic = TrafficCounts()
        engine = likely_engine(settings, models.first)
        taker = device_taker(engine, settings.decode, traffic.copied)
        if taker is not None:
            close_last.callback(taker.close)
        source = open_source(
            settings.source,
            stream=stream_name(settings.source),
            clock=clock,
            decode=DecodeOptions(settings.decode, taker, traffic.copied),
        )
        undo.callback(source.close)
        about = source.description
        if not about.is_live:
            settings = settings.for_files(file_batch(engine, settings.threads))
        metrics = open_metrics(settings, about.stream, clock, close_last)
        observer = ObserverGroup([desk.statistics, desk.progress, *([metrics] if metrics else [])])
        news = EngineNews()
        if metrics:
            traffic.forward(metrics.metrics.traffic)
            news = EngineNews(metrics.metrics, traffic)
        estimator = open_estimator(
            settings, models, observer, clock, news, partial(_count_work, metrics)
        )
        close_last.callback(estimator.close)
        estimator.prepare(about.width, about.height)
        specs = estimator.engine_specs
        desk.say(f"{_source_in_words(about)}; {'; '.join(map(_engine_in_words, specs))}")
        if metrics:
            for spec in specs:
                metrics.metrics.engine_started(spec.model, engine_fields(spec))
        stop = StopRequest()
        close_last.enter_context(stop_on_signals(stop, "" if settings.quiet else NOTICE))
        run = Run(
            source=source,
            estimator=estimator,
            new_tracker=partial(new_tracker, models.scoring.manifest, smooth=settings.smooth),
            sink=open_sinks(
                settings, metrics.metrics if metrics else None, live=about.is_live, clock=clock
            ),
            observer=observer,
            clock=clock,
            stop=stop,
            selection=Selection(settings.stride, settings.max_frames),
        )
        undo.pop_all()  # from here on the runner closes the source
    return run


def _count_work(metrics: MetricsObserver | None, counts: CascadeCounts) -> None:
    if metrics:
        metrics.metrics.cascade.worked(asdict(counts))


def _run(desk: _Desk, run: Run) -> int:
    try:
        with _progress_shown(desk, run.source.description):
            end = RUNNERS[desk.settings.runner](run)
    except PoseStreamError:
        desk.console.print(summary_table(desk.statistics, end=None, model=run.estimator.model))
        raise
    desk.console.print(summary_table(desk.statistics, end=end, model=run.estimator.model))
    print_written(desk.console, desk.settings.destinations)
    return DONE if end is RunEnd.COMPLETED else FAILED


@contextmanager
def _progress_shown(desk: _Desk, about: SourceDescription) -> Iterator[None]:
    """Draws the live line, on a terminal that nothing else is written to."""
    results_on_screen = STDOUT in desk.settings.outputs and sys.stdout.isatty()
    if not desk.console.is_terminal or desk.settings.quiet or results_on_screen:
        yield
        return
    with desk.progress.shown(_frames_expected(about, desk.settings)):
        yield


def _frames_expected(about: SourceDescription, settings: RunSettings) -> int | None:
    if about.frames_from_header is None:
        return settings.max_frames
    return min(about.frames_from_header, settings.max_frames or about.frames_from_header)


def _source_in_words(about: SourceDescription) -> str:
    frames = f", {about.frames_from_header} frames" if about.frames_from_header else ""
    return f"{about.stream}: {about.codec} {about.width}x{about.height}{frames}"


def _engine_in_words(spec: EngineSpec) -> str:
    width, height = spec.canvas
    return (
        f"{spec.model} at {width}x{height} on {spec.engine} {spec.version}, {spec.precision}, "
        f"{spec.threads} {'thread' if spec.threads == 1 else 'threads'}"
    )
