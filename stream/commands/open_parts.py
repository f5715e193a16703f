"""Opens the parts of a run as the user asked for them."""

from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from engines.artefact import Artefact
from engines.engine import Engine, Precision
from engines.estimator import OnePassEstimator
from engines.open_engine import EngineName, open_engine
from stream.clock import Clock
from stream.commands.run_settings import RunSettings
from stream.metrics import Metrics, new_registry
from stream.metrics_observer import MetricsObserver
from stream.metrics_server import MetricsServer
from stream.observer import Observer
from stream.pipeline import FrameTracker
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from stream.sinks.fan_out import FanOutSink
from stream.sinks.open_sink import open_sink
from stream.sinks.sink import Sink
from stream.tracking.settings import TrackerSettings
from stream.tracking.smoothing import SmoothingSettings
from stream.tracking.tracker import Tracker


def stream_name(source: str) -> str:
    """The name of the stream in its results: a file's name without its ending, or the host.

    Never more of an address than its host: the rest may hold a login.
    """
    if "://" in source:
        return urlsplit(source).hostname or "stream"
    return Path(source).stem or "stream"


def open_estimator(
    settings: RunSettings, artefact: Artefact, observer: Observer, clock: Clock
) -> OnePassEstimator:
    """The estimator; its engine opens with `prepare` or the first frame."""

    def make_engine(canvas: tuple[int, int]) -> Engine:
        return open_engine(
            artefact,
            engine=EngineName(settings.engine),
            canvas=canvas,
            threads=settings.threads,
            precision=None if settings.precision == "auto" else Precision(settings.precision),
        )

    return OnePassEstimator(
        artefact, make_engine, clock=clock, batch_size=settings.batch, observe=observer.stage
    )


def open_sinks(settings: RunSettings, *, live: bool, clock: Clock) -> Sink:
    """Every output the user asked for, as one sink; if one cannot be opened, none is kept open.

    Raises:
        ConfigError: if an output's name makes no sense.
        SinkError: if an output cannot be written.
    """
    opened: list[Sink] = []
    with ExitStack() as undo:
        for output in settings.outputs:
            opened.append(open_sink(output, live=live, clock=clock))
            undo.callback(opened[-1].abandon)
        if settings.annotate is not None:
            opened.append(AnnotatedVideoSink(settings.annotate))
        undo.pop_all()
    return FanOutSink(opened)


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
    return MetricsObserver(Metrics(registry, version("posestream")), stream, settings.batch, clock)


def new_tracker(settings: RunSettings) -> FrameTracker:
    """A tracker for one epoch."""
    return Tracker(TrackerSettings(smoothing=SmoothingSettings() if settings.smooth else None))
