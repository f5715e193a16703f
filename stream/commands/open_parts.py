"""Opens the parts of a run as the user asked for them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from engines.artefact import Artefact, Manifest, StageName
from engines.canvas_stage import EngineFactory
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.models import CascadeModels
from engines.cascade.rescoring import SCORE_BATCHES
from engines.cascade.settings import CascadeCounts, CascadeWatch, count_nothing
from engines.certification.certificate import Certificate
from engines.certification.shelf import CertificateShelf
from engines.certification.trusted_engine import EngineTrust, StepDown, Wish
from engines.crop_stage import CROP_BATCHES
from engines.engine import Engine, EngineSpec, Precision
from engines.engine_options import EngineOptions
from engines.engine_store import EngineStore, default_store_root
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName
from engines.watched_engine import WatchedEngine
from stream.clock import Clock
from stream.commands.run_settings import RunSettings
from stream.errors import Obstacle
from stream.ingest.source_url import parse_source_url
from stream.metrics import Metrics, new_registry
from stream.metrics_observer import MetricsObserver
from stream.metrics_server import MetricsServer
from stream.observer import Observer
from stream.pipeline import FrameTracker
from stream.pixel_copies import Traffic
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from stream.sinks.counted_sink import CountedSink
from stream.sinks.fan_out import FanOutSink
from stream.sinks.open_sink import open_sink, sink_kind
from stream.sinks.sink import Sink
from stream.tracking.settings import settings_for_model
from stream.tracking.smoothing import SmoothingSettings
from stream.tracking.tracker import Tracker

STAGE_BATCHES: Mapping[StageName, tuple[int, ...]] = MappingProxyType(
    {"top_down": CROP_BATCHES, "refiner": CROP_BATCHES, "scorer": SCORE_BATCHES}
)
"""Of models that look at people; those that look at frames have batches of frames."""


def stream_name(source: str) -> str:
    """The name of the stream in its results: a file's name without its ending, or the host.

    Never more of an address than its host: the rest may hold a login.

    Raises:
        ConfigError: if an address has no host.
    """
    if "://" in source:
        return parse_source_url(source).host
    return _as_text(Path(source).stem) or "stream"


def _as_text(name: str) -> str:
    r"""A file's name with the bytes that are no UTF-8 spelt out, as in `caf\xe9`.

    Files may be called anything; results are text, and so are the names of Redis streams.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class EngineNews:
    """What is to be told of the engines that an estimator opened."""

    metrics: Metrics | None = None
    """Where steps down are counted at once."""
    traffic: Traffic | None = None
    """Told of copies of pixels and of results; None if nobody wants to know."""
    steps_down: list[StepDown] = field(default_factory=list)
    fallbacks: list[tuple[str, str]] = field(default_factory=list)
    """Engines that `auto` passed over, and the obstacle (`stream.errors.Obstacle`)."""
    certificate: Certificate | None = None
    """Of the newest engine."""

    @property
    def parity_error_px(self) -> float | None:
        """Mean distance from the reference; None if the certificate has nobody to tell of."""
        found = self.certificate.agreement if self.certificate else {}
        return found["mean_px"] if found.get("people") else None

    def stepped_down(self, step: StepDown) -> None:
        """An engine was refused."""
        self.steps_down.append(step)
        if self.metrics:
            self.metrics.engine_stepped_down(step.model, step.engine, step.refused)

    def passed_over(self, model: str, engine: str, obstacle: Obstacle) -> None:
        """An engine that `auto` would rather have taken cannot be opened here."""
        self.fallbacks.append((engine, obstacle.value))
        if self.metrics:
            self.metrics.engine_passed_over(model, engine, obstacle.value)


def open_estimator(
    settings: RunSettings,
    models: CascadeModels,
    observer: Observer,
    clock: Clock,
    news: EngineNews | None = None,
    count: Callable[[CascadeCounts], None] = count_nothing,
) -> OnePassEstimator | CascadeEstimator:
    """The estimator; its engines open with `prepare` or the first frame, if they can be trusted.

    What there is to tell of its engines goes into `news`; cascades tell `count` of their work.
    """
    open_model = engine_opener(settings, clock, news or EngineNews())
    if len(models.artefacts) == 1:
        return OnePassEstimator(
            models.first,
            open_model(models.first),
            clock=clock,
            batch_size=settings.batch or 1,
            observe=observer.stage,
        )
    watch = CascadeWatch(observer.stage, count)
    return CascadeEstimator(models, open_model, clock=clock, settings=settings.cascade, watch=watch)


def engine_opener(
    settings: RunSettings, clock: Clock, news: EngineNews
) -> Callable[[Artefact], EngineFactory]:
    """Opens engines of any model, those that can be trusted."""
    store = EngineStore(settings.cache or default_store_root())
    trust = EngineTrust(
        clock,
        CertificateShelf(store.root),
        allow_uncertified=settings.allow_uncertified,
        on_step_down=news.stepped_down,
    )

    def open_engine_of(artefact: Artefact, canvas: tuple[int, int]) -> Engine:
        batches = STAGE_BATCHES.get(artefact.manifest.stage, settings.engine_batches)
        engine = trust.open(
            Wish(
                artefact,
                canvas,
                engine=EngineName(settings.engine),
                threads=settings.threads,
                precision=None if settings.precision == "auto" else Precision(settings.precision),
                options=EngineOptions(
                    batches, store, passed_over=partial(news.passed_over, artefact.manifest.name)
                ),
            )
        )
        news.certificate = trust.certificate(engine, artefact)
        return WatchedEngine(engine, news.traffic) if news.traffic else engine

    return lambda artefact: partial(open_engine_of, artefact)


def open_sinks(settings: RunSettings, metrics: Metrics | None, *, live: bool, clock: Clock) -> Sink:
    """Every output the user asked for, as one sink; if one cannot be opened, none is kept open.

    With `metrics` the results of each output are counted.

    Raises:
        ConfigError: if an output's name makes no sense.
        SinkError: if an output cannot be written.
    """
    opened: list[Sink] = []
    with ExitStack() as undo:
        for output in settings.outputs:
            opened.append(_counted(open_sink(output, live=live, clock=clock), output, metrics))
            undo.callback(opened[-1].abandon)
        if settings.annotate is not None:
            opened.append(
                _counted(AnnotatedVideoSink(settings.annotate), str(settings.annotate), metrics)
            )
        undo.pop_all()
    return FanOutSink(opened)


def _counted(sink: Sink, output: str, metrics: Metrics | None) -> Sink:
    return CountedSink(sink, sink_kind(output), metrics) if metrics else sink


def open_metrics(
    settings: RunSettings, stream: str, clock: Clock, close_last: ExitStack
) -> MetricsObserver | None:
    """The observer that feeds the metrics port, if the user asked for one.

    Raises:
        ConfigError: if the port cannot be used.
    """
    if settings.metrics_port is None:
        return None
    registry = new_registry()
    server = MetricsServer(registry, settings.metrics_port)
    close_last.callback(server.close)
    return MetricsObserver(
        Metrics(registry, version("posestream")), stream, settings.batch or 1, clock
    )


def engine_fields(spec: EngineSpec) -> dict[str, str]:
    """What `posestream_engine_info` says about an engine, besides its model."""
    width, height = spec.canvas
    return {
        "engine": spec.engine,
        "version": spec.version,
        "precision": spec.precision.value,
        "threads": str(spec.threads),
        "canvas": f"{width}x{height}",
        "result_bytes": str(spec.result_bytes),
    }


def fields_of(specs: Sequence[EngineSpec]) -> dict[str, str]:
    """Likewise of all engines of a cascade: what differs stands behind one another."""
    fields = [engine_fields(spec) for spec in specs]
    names = fields[0] if fields else {}
    return {name: "+".join(dict.fromkeys(one[name] for one in fields)) for name in names}


def new_tracker(manifest: Manifest, *, smooth: bool = False) -> FrameTracker:
    """A tracker for one epoch, set up for the scores of that model."""
    smoothing = SmoothingSettings() if smooth else None
    thresholds = manifest.thresholds
    start_score = thresholds.min_score if thresholds.start_score is None else thresholds.start_score
    return Tracker(settings_for_model(start_score, smoothing))
