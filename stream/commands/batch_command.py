"""`posestream batch`: many files, one engine; `status` and `retry` of what it left."""

import json
import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from engines.cascade.models import CascadeModels, find_cascade, portable_name
from engines.open_engine import EngineName, file_batch
from stream.clock import Clock, SystemClock
from stream.commands.batch_report import (
    JSON_SECONDS,
    REFRESH_SECONDS,
    ConsoleTeller,
    JsonTeller,
    Report,
    Teller,
    counts_of,
    counts_table,
    failure_table,
)
from stream.commands.batch_settings import BatchSettings, Workforce, run_settings
from stream.commands.interrupt import NOTICE, stop_on_signals
from stream.commands.open_parts import new_tracker, open_estimator, stream_name
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.open_source import open_source
from stream.ingest.source import Source
from stream.job_metrics import JobMetrics
from stream.jobs.inputs import find_inputs
from stream.jobs.job import Job, JobParts
from stream.jobs.manifest import Item, ItemState, JobManifest, JobSettings
from stream.jobs.manifest_file import ManifestFile, read_manifest
from stream.jobs.resume import existing, resumed, retried
from stream.logs import configure_logs
from stream.metrics import new_registry
from stream.metrics_server import MetricsServer
from stream.pipeline import Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from stream.sinks.fan_out import FanOutSink
from stream.sinks.open_sink import open_sink
from stream.sinks.parquet_sink import import_pyarrow
from stream.sinks.sink import Sink
from stream.sinks.write_errors import write_error

DONE, FAILED = 0, 1

Prepare = Callable[[JobManifest | None], JobManifest]


def batch_command(settings: BatchSettings) -> int:
    """Begins a job or goes on with it; returns the exit code.

    Raises:
        PoseStreamError: what makes no sense, or cannot be opened or written.
    """
    teller = _teller(settings.workforce)
    if settings.format == "parquet":
        import_pyarrow()
    job = _job_settings(settings, find_cascade(settings.model))
    before = None if settings.fresh else read_manifest(settings.out)
    found = find_inputs(settings.paths, settings.out, before.items if before else ())

    def prepare(now: JobManifest | None) -> JobManifest:
        return resumed(None if settings.fresh else now, found, job, settings.out, teller.said)

    return _work(settings.out, prepare, settings.workforce, teller)


def retry_command(out: Path, workforce: Workforce) -> int:
    """Does again what failed, and what is left; returns the exit code.

    Raises:
        PoseStreamError: likewise.
    """
    existing(read_manifest(out), out)
    return _work(out, lambda now: retried(now, out), workforce, _teller(workforce))


def status_command(out: Path, *, as_json: bool) -> int:
    """Tells how far a job is; the exit code is 0 if all of it is done.

    Raises:
        PoseStreamError: if there is no job, or its manifest cannot be read.
    """
    manifest = existing(read_manifest(out), out)
    failed = manifest.in_state(ItemState.FAILED)
    if as_json:
        reasons = {item.path: item.error for item in failed}
        typer.echo(json.dumps({**counts_of(manifest), "errors": reasons}, indent=2))
    else:
        console = Console()
        console.print(counts_table(manifest))
        if failed:
            console.print(failure_table(failed))
    return _exit_code(manifest)


def _work(out: Path, prepare: Prepare, workforce: Workforce, teller: Teller) -> int:
    configure_logs(logging.ERROR)
    clock, stop = SystemClock(), StopRequest()
    every = JSON_SECONDS if workforce.json_progress else REFRESH_SECONDS
    with ExitStack() as close_last:
        metrics = _open_metrics(out, workforce, close_last)
        report = Report(teller, clock, every, metrics)
        file = close_last.enter_context(closing(ManifestFile(out, prepare)))
        report.begin(file.manifest)
        close_last.callback(lambda: teller.end(file.manifest))
        if file.manifest.in_state(ItemState.PENDING):
            parts = _parts(out, file.manifest.settings, workforce, stop, close_last)
            with stop_on_signals(stop, "" if workforce.quiet else NOTICE):
                Job(file, parts, report).run(workforce.workers, report.tick)
        return _exit_code(file.manifest)


def _open_metrics(out: Path, workforce: Workforce, close_last: ExitStack) -> JobMetrics | None:
    if workforce.metrics_port is None:
        return None
    registry = new_registry()
    metrics = JobMetrics(registry, out.resolve().name)
    close_last.callback(MetricsServer(registry, workforce.metrics_port).close)
    return metrics


def _parts(
    out: Path, job: JobSettings, workforce: Workforce, stop: StopRequest, close_last: ExitStack
) -> JobParts:
    clock = SystemClock()
    settings = run_settings(job, workforce)
    settings = settings.for_files(file_batch(EngineName(settings.engine), settings.threads))
    models = find_cascade(job.model)
    estimator = open_estimator(settings, models, RunStatistics(clock), clock)
    close_last.callback(estimator.close)
    # An engine that cannot be opened fails here, and not once for every file.
    estimator.prepare(*models.first.manifest.canvases[0])
    return JobParts(
        estimator=estimator,
        new_tracker=partial(new_tracker, models.scoring.manifest, smooth=settings.smooth),
        open_source=partial(_open_source, clock, workforce, job),
        open_sink=partial(_open_sink, out, job),
        clock=clock,
        stop=stop,
        selection=Selection(job.stride),
    )


def _open_source(clock: Clock, workforce: Workforce, job: JobSettings, item: Item) -> Source:
    # People are carried by the name of their stream: files of one name are told apart.
    stream = item.name if job.detect_every > 1 else stream_name(item.path)
    decode = DecodeOptions(workforce.decode, thread_count=workforce.decoder_threads)
    return open_source(item.path, stream=stream, clock=clock, decode=decode)


def _open_sink(out: Path, job: JobSettings, item: Item) -> Sink:
    results, *video = (out / name for name in item.outputs(job))
    try:
        results.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(str(results), error, "nothing was written") from error
    with ExitStack() as undo:
        sinks = [open_sink(str(results))]
        undo.callback(sinks[0].abandon)
        sinks += [AnnotatedVideoSink(path) for path in video]
        undo.pop_all()
    return FanOutSink(sinks)


def _job_settings(settings: BatchSettings, models: CascadeModels) -> JobSettings:
    return JobSettings(
        model=portable_name(settings.model),
        model_sha256=models.onnx_sha256,
        engine=settings.engine,
        precision=settings.precision,
        format=settings.format,
        annotate=settings.annotate,
        stride=settings.stride,
        smooth=settings.smooth,
        detect_every=settings.detect_every,
        refine_below=settings.refine_below,
    )


def _teller(workforce: Workforce) -> Teller:
    if workforce.json_progress:
        return JsonTeller()
    return ConsoleTeller(Console(stderr=True, quiet=workforce.quiet))


def _exit_code(manifest: JobManifest) -> int:
    done = len(manifest.in_state(ItemState.DONE))
    return DONE if done == len(manifest.items) else FAILED
