"""`posestream serve`: a site file put to work until a signal comes; SIGHUP reads the file again."""

import logging
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from engines.artefact import Manifest
from engines.cascade.models import find_cascade
from stream.clock import SystemClock
from stream.commands.check_site import wrong_with_model
from stream.commands.engine_worker import EngineWords
from stream.commands.interrupt import NOTICE, stop_on_signals
from stream.commands.open_parts import new_tracker
from stream.errors import PoseStreamError
from stream.fleet.daemon import Daemon
from stream.fleet.supervised_process import ProcessPlan
from stream.logs import configure_logs
from stream.pipeline import FrameTracker, StopRequest
from stream.redaction import redacted
from stream.site_file.site_model import EngineSettings
from stream.tracking.tracker import Tracker

if TYPE_CHECKING:
    from stream.api.server import ApiServer

log = logging.getLogger(__name__)

ENGINE_MODULE = "stream.commands.engine_worker"
DONE = 0


def serve_command(file: Path, *, verbose: bool) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code.

    Raises:
        PoseStreamError: what keeps it from starting.
    """
    configure_logs(logging.DEBUG if verbose else logging.INFO)
    stop = StopRequest()
    # Signals first: a SIGHUP to a daemon that just starts must not end it.
    with stop_on_signals(stop, NOTICE), _reload_requests() as reload:
        parts = engine_process, SystemClock(), wrong_with_model, TrackersOfModels()
        daemon = Daemon(file, *parts)
        with closing(daemon), _api_of(daemon) as api:

            def each_turn() -> None:
                api.start()
                if reload.requested:
                    reload.requested = False
                    reload_site(daemon)

            _say_what_is_served(daemon, api)
            daemon.run(stop, each_turn)
    log.info("stopped")
    return DONE


class TrackersOfModels:
    """Makes trackers for the scores of a model, as `run` does; reads each model once."""

    def __init__(self) -> None:
        self._manifests: dict[str, Manifest] = {}

    def __call__(self, model: str) -> FrameTracker:
        """A tracker for one epoch of a stream with that model or cascade."""
        if model not in self._manifests:
            try:
                self._manifests[model] = find_cascade(model).scoring.manifest
            except PoseStreamError as error:  # its folder went while its engine runs
                log.warning("tracker_without_model", extra={"model": model, "cause": str(error)})
                return Tracker()
        return new_tracker(self._manifests[model])


def engine_process(wish: EngineSettings) -> ProcessPlan:
    """Our engines, as the site wants them."""
    return ProcessPlan(ENGINE_MODULE, (EngineWords(engine=wish).model_dump_json(),))


def reload_site(daemon: Daemon) -> None:
    """Reads the site file again; a wrong one changes nothing, and is told."""
    try:
        daemon.reload()
    except PoseStreamError as error:
        log.error("reload_refused", extra={"cause": redacted(str(error))})  # noqa: TRY400 - a fault of the user's, not of ours


class _NoApi:
    """Of a site that wants none."""

    address = ""

    def start(self) -> None:
        """There is nothing to start."""


@contextmanager
def _api_of(daemon: Daemon) -> "Iterator[ApiServer | _NoApi]":
    """The API that the site wants; it answers from its `start` to the end of the block."""
    if daemon.site.api is None:
        yield _NoApi()
        return
    from stream.api.server import ApiServer  # noqa: PLC0415 - takes a while to import

    with closing(ApiServer(daemon, daemon.site.api)) as api:
        yield api


@contextmanager
def _reload_requests() -> Iterator[StopRequest]:
    """Set by SIGHUP."""
    request = StopRequest()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        request.request()

    before = signal.signal(signal.SIGHUP, on_signal)
    try:
        yield request
    finally:
        signal.signal(signal.SIGHUP, before)


def _say_what_is_served(daemon: Daemon, api: "ApiServer | _NoApi") -> None:
    site = daemon.site
    fields: dict[str, object] = {
        "streams": len(site.streams),
        "sinks": ", ".join(sink.name for sink in site.sinks),
    }
    if daemon.metrics_port is not None:
        fields["metrics_port"] = daemon.metrics_port
    if api.address:
        fields["page"] = api.address
    log.info("serving", extra=fields)
