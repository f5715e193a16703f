"""Works on the files of a job: several at a time, one engine for all, nothing that stops it.

Each file is a run of its own (`stream/worker.py`), so its results are those of `posestream run`.
Results get their names only when the file was read to its end; then the manifest says so. A file
that fails is written down with its reason, and the next one begins.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

from stream.clock import Clock
from stream.errors import PoseStreamError
from stream.estimator import Estimator
from stream.frame import FrameResult
from stream.ingest.source import Source
from stream.jobs.fingerprint import Fingerprint, fingerprint_of
from stream.jobs.manifest import Item, ItemState
from stream.jobs.manifest_file import ManifestFile
from stream.jobs.shared_estimator import SharedEstimator
from stream.jobs.whole_file_sink import WholeFileSink
from stream.pipeline import FrameTracker, Run, Selection, StopRequest
from stream.redaction import redacted
from stream.run_statistics import RunStatistics
from stream.sinks.sink import Sink
from stream.worker import run_concurrent, start_thread

log = logging.getLogger(__name__)


class JobObserver(Protocol):
    """Told what happens to the files; called by several threads."""

    def began(self, item: Item, source: Source) -> None:
        """A file was opened."""
        ...

    def frame(self, item: Item) -> None:
        """One more of its frames has a result."""
        ...

    def ended(self, item: Item) -> None:
        """It is done or failed."""
        ...


@dataclass(frozen=True, slots=True)
class JobParts:
    """What working on a file needs."""

    estimator: Estimator
    new_tracker: Callable[[], FrameTracker]
    open_source: Callable[[Item], Source]
    open_sink: Callable[[Item], Sink]
    """For all results of the file; nothing has its final name before `close`."""
    clock: Clock
    stop: StopRequest
    selection: Selection


class _FileObserver(RunStatistics):
    """Counts one file's frames and passes each on."""

    def __init__(self, item: Item, clock: Clock, observer: JobObserver) -> None:
        super().__init__(clock)
        self._item, self._observer = item, observer

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        super().published(result)
        self._observer.frame(self._item)


class Job:
    """The pending items of a manifest, worked on by `workers` threads beside that of the engine."""

    def __init__(self, file: ManifestFile, parts: JobParts, observer: JobObserver) -> None:
        self._file, self._parts, self._observer = file, parts, observer
        self._todo = deque(file.manifest.in_state(ItemState.PENDING))
        self._lock = Lock()
        self._failure: BaseException | None = None

    def run(self, workers: int, meanwhile: Callable[[], None], poll_seconds: float = 0.1) -> None:
        """Returns when everything is done, or after a stop request.

        Args:
            workers: how many files are read at a time.
            meanwhile: called by this thread again and again, to draw.
            poll_seconds: how often.

        Raises:
            PoseStreamError: if the manifest cannot be written.
        """
        shared = SharedEstimator(self._parts.estimator)
        engine = start_thread("engine", shared.serve)
        threads = [
            start_thread(f"file {number}", lambda: self._work(shared)) for number in range(workers)
        ]
        try:
            while running := [thread for thread in threads if thread.is_alive()]:
                meanwhile()
                running[0].join(poll_seconds)
        except BaseException:
            self._parts.stop.request()
            raise
        finally:
            for thread in threads:
                thread.join()
            shared.close()
            engine.join()
        if self._failure:
            raise self._failure
        meanwhile()

    def _work(self, shared: SharedEstimator) -> None:
        """Body of a worker: takes file after file."""
        try:
            while (item := self._next()) is not None:
                settled = self._settled(item, shared)
                if settled.state is not ItemState.PENDING:
                    with self._lock:
                        self._file.record(settled)
                    self._observer.ended(settled)
        except BaseException as error:  # noqa: BLE001 - the thread's end; `run` raises it
            self._failure = self._failure or error
            self._parts.stop.request()

    def _next(self) -> Item | None:
        with self._lock:
            return self._todo.popleft() if self._todo and not self._parts.stop.requested else None

    def _settled(self, item: Item, shared: SharedEstimator) -> Item:
        """The item as it is after its run: done, failed, or pending if that was stopped."""
        before = fingerprint_of(Path(item.path))
        try:
            statistics = self._run(item, shared)
        except PoseStreamError as error:
            return _failed(item, before, str(error))
        except Exception as error:  # one file's bug must not cost the others
            log.exception("file_failed", extra={"path": item.path})
            return _failed(item, before, f"{type(error).__name__}: {error}; this is a bug")
        if statistics is None:
            return item
        if fingerprint_of(Path(item.path)) != before:
            return _failed(item, before, "it changed while it was read; do it again with retry")
        done = replace(item, state=ItemState.DONE, fingerprint=before, error="")
        return replace(done, frames=statistics.ledger.read, poses=statistics.poses)

    def _run(self, item: Item, shared: SharedEstimator) -> RunStatistics | None:
        """Reads the file to its end; None if that was stopped."""
        parts = self._parts
        source = parts.open_source(item)
        try:
            self._observer.began(item, source)
            sink = WholeFileSink(parts.open_sink(item), parts.stop)
        except BaseException:
            source.close()
            raise
        statistics = _FileObserver(item, parts.clock, self._observer)
        run = Run(
            source=source,
            estimator=shared,
            new_tracker=parts.new_tracker,
            sink=sink,
            observer=statistics,
            clock=parts.clock,
            stop=parts.stop,
            selection=parts.selection,
        )
        run_concurrent(run)
        return statistics if sink.is_whole else None


def _failed(item: Item, fingerprint: Fingerprint | None, reason: str) -> Item:
    error = " ".join(redacted(reason).split())
    return replace(item, state=ItemState.FAILED, fingerprint=fingerprint, error=error)
