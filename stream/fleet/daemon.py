"""A site file put to work: fleet, sinks, metrics, reload.

What REST and the live page need: `daemon.fleet` (see `fleet.py`), `daemon.delivery` (states and
counts of the sinks), `daemon.registry` (metrics), `daemon.site`, and `daemon.reload()`, which may
be called from any thread.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from stream.clock import Clock
from stream.delivery.epoch_book import EpochBook
from stream.delivery.open_delivery import open_delivery
from stream.fleet.fleet import Fleet
from stream.fleet.reconcile import Changes
from stream.fleet.site_plans import engine_plan, pool_plan, sink_plans, stream_plans
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.supervised_process import ProcessPlan
from stream.fleet.supervisor import Parts
from stream.metrics import Metrics, new_registry
from stream.metrics_server import MetricsServer
from stream.pipeline import FrameTracker, StopRequest
from stream.sinks.write_errors import write_error
from stream.site_file.read_site import ModelCheck, read_site
from stream.site_file.site_model import EngineSettings, Site, within

log = logging.getLogger(__name__)

SINKS_SECONDS = 1.5
"""What the sinks have at the end to deliver what is under way; the rest waits on disk."""
EngineProcess = Callable[[EngineSettings], ProcessPlan]
"""How to start an engine as a site wants it."""
EPOCHS_NAME = "epochs.json"
"""Within the spool's folder."""
_FIXED = ("sinks", "spool_folder", "engine", "limits", "metrics", "api")
"""What only a restart can change."""


class Daemon:
    """Made, run and closed by one thread."""

    def __init__(
        self,
        file: Path,
        engine_process: EngineProcess,
        clock: Clock,
        check_model: ModelCheck,
        new_tracker: Callable[[str], FrameTracker],
    ) -> None:
        """Opens everything that can be refused; the streams begin with `run`.

        Args:
            file: the site file.
            engine_process: how to start an engine.
            clock: the only one.
            check_model: asked about every model that the site names.
            new_tracker: for the poses of a model.

        Raises:
            SiteError: if the site file is wrong.
            ConfigError: if a secret is missing or a port taken.
            SinkError: if a folder cannot be written.
        """
        self._file, self.check_model = file, check_model
        self.extra_plans: Callable[[Site], list[StreamPlan]] = lambda _site: []
        """What else is wanted besides the site file; asked at the start and at every reload."""
        self.after_reload: Callable[[], None] = lambda: None
        self.site: Site = read_site(file, check_model)
        self.clock = clock
        self.registry = new_registry()
        self.metrics_port: int | None = None
        metrics = Metrics(self.registry, version("posestream"))
        streams, sinks = self._stream_plans(self.site), sink_plans(self.site, file.parent)
        with ExitStack() as undo:
            self._open_metrics(undo)
            spools = within(file.parent, self.site.spool_folder)
            self.delivery = open_delivery(sinks, spools, clock, metrics)
            undo.callback(self.delivery.close, SINKS_SECONDS)
            self.fleet = Fleet(
                pool_plan(self.site),
                engine_plan(self.site, engine_process(self.site.engine)),
                Parts(
                    metrics,
                    clock,
                    self.delivery.open_stream,
                    new_tracker,
                    _open_epochs(spools),
                ),
            )
            self._first_streams = streams
            self._close = undo.pop_all()

    def run(self, stop: StopRequest, each_turn: Callable[[], None] = lambda: None) -> None:
        """Serves until a stop is asked for; then ends everything in good order.

        Args:
            stop: looked at every turn.
            each_turn: done every turn, by this thread.
        """
        with self._close:
            self.fleet.reconcile([*self._first_streams, *self.extra_plans(self.site)])
            self.fleet.run(stop, each_turn)

    def reload(self) -> Changes:
        """Reads the site file again and changes what changed; other streams lose no frame.

        Streams that were added while the daemon ran stay.

        Raises:
            SiteError: if the file is wrong; nothing is changed then.
            ConfigError: if a secret is missing; nothing is changed then.
        """
        site = read_site(self._file, self.check_model)
        plans = self._stream_plans(site)
        for section in _FIXED:
            if getattr(site, section) != getattr(self.site, section):
                log.warning("reload_needs_restart", extra={"section": section})
        changes = self.fleet.reconcile([*plans, *self.extra_plans(site)])
        self.site = self.site.model_copy(update={"streams": site.streams})
        self.after_reload()
        fields = {
            name: ", ".join(getattr(changes, name)) for name in ("added", "changed", "removed")
        }
        log.info("site_reloaded", extra=fields)
        return changes

    @property
    def folder(self) -> Path:
        """That of the site file, where relative paths begin."""
        return self._file.parent

    def close(self) -> None:
        """Closes sinks and ports; `run` does that by itself, and a second call does nothing."""
        self._close.close()

    def _stream_plans(self, site: Site) -> list[StreamPlan]:
        return stream_plans(site, self._file.parent)

    def _open_metrics(self, undo: ExitStack) -> None:
        wish = self.site.metrics
        if wish is None:
            return
        server = MetricsServer(self.registry, wish.port, wish.bind)
        undo.callback(server.close)
        self.metrics_port = server.port


def _open_epochs(folder: Path) -> EpochBook:
    """Where the streams' epochs are counted on over restarts."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(str(folder), error, "the spool cannot be used") from error
    return EpochBook(folder / EPOCHS_NAME)
