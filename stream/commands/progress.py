"""The live line of a run: frames per second, people, drops, time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.text import Text

from stream.clock import Clock
from stream.frame import Frame, FrameResult, Outcome
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.run_statistics import RunStatistics

REFRESH_SECONDS = 0.1


class _Numbers(ProgressColumn):
    """What the statistics say now."""

    def __init__(self, statistics: RunStatistics) -> None:
        super().__init__()
        self._statistics = statistics

    def render(self, task: Task) -> Text:
        now = self._statistics
        words = [f"{task.speed or 0:.1f} frames/s", f"{now.people_now} people"]
        dropped = now.ledger.outcomes[Outcome.DROPPED]
        words += [f"{dropped} dropped"] if dropped else []
        return Text(" · ".join(words), no_wrap=True)


class LiveProgress:
    """Implements `stream.observer.Observer`; draws when a result comes, at most ten times a second.

    Rich's own drawing thread stays off: the thread that publishes draws.
    """

    def __init__(self, console: Console, statistics: RunStatistics, clock: Clock) -> None:
        self._clock = clock
        self._due_seconds = 0.0
        self._progress = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            _Numbers(statistics),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )
        self._task: TaskID | None = None

    @contextmanager
    def shown(self, total: int | None) -> Iterator[None]:
        """Shows the line within the block; `total` frames are expected, None if nobody knows."""
        self._task = self._progress.add_task("", total=total)
        with self._progress:
            yield
        self._task = None

    def frame_read(self, frame: Frame) -> None:
        """See `Observer.frame_read`."""

    def stage(self, stage: str, seconds: float) -> None:
        """See `Observer.stage`."""

    def batch(self, size: int) -> None:
        """See `Observer.batch`."""

    def queue(self, queue: str, length: int, capacity: int) -> None:
        """See `Observer.queue`."""

    def packets_corrupt(self, count: int) -> None:
        """See `Observer.packets_corrupt`."""

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """See `Observer.decode_stepped_down`."""

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        if self._task is None:
            return
        self._progress.advance(self._task)
        now = self._clock.monotonic()
        if now >= self._due_seconds:
            self._due_seconds = now + REFRESH_SECONDS
            self._progress.refresh()
