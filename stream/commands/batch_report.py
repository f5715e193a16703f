"""What `posestream batch` tells while it works: a live line for people, or lines of JSON."""

import json
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from stream.clock import Clock
from stream.ingest.source import Source
from stream.job_metrics import JobMetrics
from stream.jobs.job_progress import JobProgress, ProgressNow
from stream.jobs.manifest import Item, ItemState, JobManifest

REFRESH_SECONDS = 0.2
JSON_SECONDS = 1.0
SHOWN_RUNNING = 2


class Teller(Protocol):
    """Says what happens."""

    def begin(self, files: int, left: int) -> None:
        """The work begins; `left` of the `files` are to do."""
        ...

    def said(self, line: str) -> None:
        """Something worth a line."""
        ...

    def began(self, item: Item) -> None:
        """A file was opened."""
        ...

    def ended(self, item: Item) -> None:
        """A file is done or failed."""
        ...

    def progress(self, now: ProgressNow) -> None:
        """How far it is."""
        ...

    def end(self, manifest: JobManifest) -> None:
        """The work is over, or was stopped."""
        ...


class Report:
    """Implements `stream.jobs.job.JobObserver`: keeps the numbers and lets a teller say them."""

    def __init__(
        self, teller: Teller, clock: Clock, every_seconds: float, metrics: JobMetrics | None = None
    ) -> None:
        self._teller, self._clock, self._every_seconds = teller, clock, every_seconds
        self._metrics = metrics
        self._due_seconds = 0.0
        self._progress = JobProgress(0, 0, 0, 0, 0.0)

    def begin(self, manifest: JobManifest) -> None:
        """The work begins."""
        done, failed, left = (manifest.in_state(state) for state in _ORDER)
        self._progress = JobProgress(
            len(manifest.items),
            len(done),
            len(failed),
            sum(map(_size, left)),
            self._clock.monotonic(),
        )
        self._teller.begin(len(manifest.items), len(left))

    def began(self, item: Item, source: Source) -> None:
        """See `JobObserver.began`."""
        self._progress.began(item.name, _size(item), source.description.frames_from_header)
        self._teller.began(item)

    def frame(self, item: Item) -> None:
        """See `JobObserver.frame`."""
        self._progress.frame(item.name)

    def ended(self, item: Item) -> None:
        """See `JobObserver.ended`."""
        failed = item.state is ItemState.FAILED
        self._progress.ended(item.name, _size(item), failed=failed)
        self._teller.ended(item)

    def tick(self) -> None:
        """Shows the numbers if that is due."""
        now = self._clock.monotonic()
        if now >= self._due_seconds:
            self._due_seconds = now + self._every_seconds
            progress = self._progress.now(now)
            self._teller.progress(progress)
            if self._metrics:
                self._metrics.progressed(progress)


class JsonTeller:
    """Implements `Teller` for programs: every event is a line of JSON on standard output."""

    def begin(self, files: int, left: int) -> None:
        """See `Teller.begin`."""
        _print_event("begin", files=files, left=left)

    def said(self, line: str) -> None:
        """See `Teller.said`."""
        _print_event("note", text=line)

    def began(self, item: Item) -> None:
        """See `Teller.began`."""
        _print_event("file_began", path=item.path, result=item.name)

    def ended(self, item: Item) -> None:
        """See `Teller.ended`."""
        about = {"error": item.error} if item.error else {"frames": item.frames}
        _print_event(f"file_{item.state}", path=item.path, result=item.name, **about)

    def progress(self, now: ProgressNow) -> None:
        """See `Teller.progress`."""
        _print_event(
            "progress",
            files=now.files,
            done=now.done,
            failed=now.failed,
            frames=now.frames,
            frames_per_second=round(now.frames_per_second, 1),
            share=round(now.share, 4),
            eta_seconds=None if now.eta_seconds is None else round(now.eta_seconds, 1),
        )

    def end(self, manifest: JobManifest) -> None:
        """See `Teller.end`."""
        _print_event("end", **counts_of(manifest))


class ConsoleTeller:
    """Implements `Teller` for people, on standard error: a live line where there is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            BarColumn(bar_width=20),
            TextColumn("{task.description}"),
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )
        self._task: TaskID | None = None

    def begin(self, files: int, left: int) -> None:
        """See `Teller.begin`."""
        earlier = f", {files - left} of them settled earlier" if left < files else ""
        self.said(f"{files} files{earlier}")
        if self._console.is_terminal:
            self._task = self._progress.add_task("", total=1.0)
            self._progress.start()

    def said(self, line: str) -> None:
        """See `Teller.said`."""
        self._console.print(escape(line), soft_wrap=True, highlight=False)

    def began(self, item: Item) -> None:
        """See `Teller.began`: the live line shows it."""

    def ended(self, item: Item) -> None:
        """See `Teller.ended`."""
        about = f"failed: {item.error}" if item.error else f"{item.frames} frames"
        self.said(f"{item.name}: {about}")

    def progress(self, now: ProgressNow) -> None:
        """See `Teller.progress`."""
        if self._task is not None:
            line = escape(_in_words(now))
            self._progress.update(self._task, completed=now.share, description=line)
            self._progress.refresh()

    def end(self, manifest: JobManifest) -> None:
        """See `Teller.end`."""
        if self._task is not None:
            self._progress.stop()
        self._console.print(counts_table(manifest))
        if failed := manifest.in_state(ItemState.FAILED):
            self._console.print(failure_table(failed))


def counts_of(manifest: JobManifest) -> dict[str, int]:
    """How many files are done, failed, pending, and their frames and poses."""
    counts = {state.value: len(manifest.in_state(state)) for state in _ORDER}
    items = manifest.items.values()
    frames, poses = sum(one.frames for one in items), sum(one.poses for one in items)
    return {"files": len(items), **counts, "frames": frames, "poses": poses}


def counts_table(manifest: JobManifest) -> Table:
    """The counts for people."""
    table = Table(title="batch", title_justify="left", show_header=False)
    for name, count in counts_of(manifest).items():
        table.add_row(name, str(count))
    return table


def failure_table(failed: list[Item]) -> Table:
    """Which files failed, and why."""
    table = Table("file", "why", title="failed", title_justify="left")
    for item in failed:
        table.add_row(escape(item.path), escape(item.error))
    return table


_ORDER = (ItemState.DONE, ItemState.FAILED, ItemState.PENDING)


def _in_words(now: ProgressNow) -> str:
    words = [f"{now.done + now.failed}/{now.files} files", f"{now.frames_per_second:.1f} frames/s"]
    words += [f"{now.failed} failed"] if now.failed else []
    words += [] if now.eta_seconds is None else [f"{_duration(now.eta_seconds)} left"]
    words += [", ".join(now.running[:SHOWN_RUNNING])] if now.running else []
    return " · ".join(words)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _size(item: Item) -> int:
    try:
        return Path(item.path).stat().st_size
    except OSError:
        return 0


def _print_event(event: str, **fields: Any) -> None:
    typer.echo(json.dumps({"event": event, **fields}))
