"""Small parts for tests of the runners: sources from a list, an estimator that makes people up."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event

import numpy as np

from stream.clock import SystemClock
from stream.errors import EngineError
from stream.frame import Frame
from stream.ingest.decode_ladder import DecodeStep
from stream.ingest.source import SourceDescription
from stream.picture import Picture
from stream.pipeline import Run, Selection, StopRequest
from stream.pose import FramePoses, Pose, TrackedPose
from stream.run_statistics import RunStatistics
from stream.sinks.sink import Sink

WAIT_SECONDS = 20.0
"""Long enough for a slow machine; reached only if a test fails."""


def small_picture(width: int = 6, height: int = 4) -> Picture:
    half = ((height + 1) // 2, (width + 1) // 2)
    return Picture(
        np.full((height, width), 90, np.uint8), np.zeros(half, np.uint8), np.zeros(half, np.uint8)
    )


def small_frame(index: int, *, epoch: int = 0, damaged: bool = False) -> Frame:
    return Frame("clip", epoch, index, index / 25, 1.0, small_picture(), damaged)


class ListSource:
    """Frames that were made before; anything callable among them is called instead."""

    def __init__(
        self, items: Iterable[Frame | Callable[[], None]], *, is_live: bool = False
    ) -> None:
        self._items = items
        self.description = SourceDescription("clip", "none", 6, 4, is_live)
        self.corrupt_packets = 0
        self.decode_steps: tuple[DecodeStep, ...] = ()
        self.closed = Event()

    def frames(self) -> Iterator[Frame]:
        for item in self._items:
            if isinstance(item, Frame):
                yield item
            else:
                item()

    def close(self) -> None:
        self.closed.set()


class MadeUpEstimator:
    """One person a frame, at a place told by the frame's number; fails at the numbers given."""

    def __init__(self, batch_size: int = 1, failing: Sequence[int] = ()) -> None:
        self.model = "made_up"
        self.batch_size = batch_size
        self.batches: list[tuple[int, ...]] = []
        self.before_batch: Callable[[], None] = lambda: None
        self._failing = frozenset(failing)

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        self.before_batch()
        indices = tuple(frame.index for frame in frames)
        self.batches.append(indices)
        if self._failing.intersection(indices):
            raise EngineError(f"made to fail at {indices}")
        return [FramePoses(f.stream, f.epoch, f.index, (_person(f.index),)) for f in frames]

    def close(self) -> None:
        pass


class OverlappingMadeUpEstimator(MadeUpEstimator):
    """Likewise, several batches at once: they are worked on when their results are asked for."""

    def __init__(
        self, batch_size: int = 1, failing: Sequence[int] = (), in_flight: int = 3
    ) -> None:
        super().__init__(batch_size, failing)
        self.in_flight = in_flight
        self.under_way: list[int] = []
        """First frames of the batches that were submitted and not asked for."""
        self.most_under_way = 0

    def submit(self, frames: Sequence[Frame]) -> "_MadeUpPoses":
        self.under_way.append(frames[0].index)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        return _MadeUpPoses(self, frames)


class _MadeUpPoses:
    def __init__(self, estimator: OverlappingMadeUpEstimator, frames: Sequence[Frame]) -> None:
        self._estimator, self._frames = estimator, frames

    def result(self) -> list[FramePoses]:
        assert self._estimator.under_way.pop(0) == self._frames[0].index, "out of order"
        return self._estimator.estimate(self._frames)


class CountingTracker:
    """Gives every person of every frame a new id: shows when a new tracker was made."""

    def __init__(self) -> None:
        self._last = 0

    def update(self, poses: FramePoses, pts_seconds: float) -> tuple[TrackedPose, ...]:
        tracked = []
        for pose in poses.poses:
            self._last += 1
            tracked.append(TrackedPose(self._last, pose))
        return tuple(tracked)


def run_of(
    source: ListSource,
    sink: Sink,
    estimator: MadeUpEstimator | None = None,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Run:
    clock = SystemClock()
    return Run(
        source=source,
        estimator=estimator or MadeUpEstimator(),
        new_tracker=CountingTracker,
        sink=sink,
        observer=RunStatistics(clock),
        clock=clock,
        stop=StopRequest(),
        selection=selection,
    )


def ledger_of(run: Run) -> dict[str, int]:
    """Outcomes that happened, and the frames in flight."""
    assert isinstance(run.observer, RunStatistics)
    ledger = run.observer.ledger
    counted = {outcome.value: number for outcome, number in ledger.outcomes.items() if number}
    return counted | ({"in flight": ledger.in_flight} if ledger.in_flight else {})


def _person(index: int) -> Pose:
    keypoints = np.full((17, 2), index, np.float32)
    return Pose(keypoints, np.full(17, 0.5, np.float32), 0.75)
