"""The stages of one stream's path that both runners share: choose, group, estimate, track, publish.

A frame travels as an `Entry`, from the decoder to the sinks, and never leaves its place in line::

    read_frames      Source -> Entry         chosen to be inferred, or with its outcome already
    Grouper          Entry -> Group          consecutive entries, one engine batch among them
    EstimateStage    Group -> Group          every entry has its outcome, inferred ones have poses
    PublishStage     Group -> Sink           tracked, written, counted
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import count
from typing import NoReturn, Protocol

from stream.batcher import Batcher
from stream.clock import Clock
from stream.errors import ConfigError, EngineError
from stream.estimator import Estimator, OverlappingEstimator, PendingPoses
from stream.frame import Frame, FrameBatch, FrameResult, Outcome
from stream.ingest.source import Source
from stream.observer import Observer
from stream.pose import FramePoses, TrackedPose
from stream.sinks.sink import Sink

log = logging.getLogger(__name__)

MAX_FAILED_BATCHES = 3
"""So many failing batches in a row end the run: one may be a bad frame, three are a bad engine."""
MAX_GROUP_ENTRIES = 32
"""Bounds the pictures held while a large stride looks for the next frame of a batch."""
LIVE_MAX_WAIT_SECONDS = 0.02
"""How long a live frame may wait for others to share its batch."""


class RunEnd(StrEnum):
    """Why a run ended, if not with an error."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class StopRequest:
    """Set once, from a signal handler or another thread; the runners look at it at every frame.

    A plain flag: a signal handler may run while its own thread holds the lock of an Event.
    """

    requested: bool = False

    def request(self) -> None:
        """Asks the run to end in good order."""
        self.requested = True


@dataclass(frozen=True, slots=True)
class Selection:
    """Which decoded frames are inferred."""

    stride: int = 1
    """Every `stride`-th frame of an epoch, beginning with its first."""
    max_frames: int | None = None
    """Reading ends after so many decoded frames; None reads to the end."""

    def __post_init__(self) -> None:
        """Refuses numbers below 1."""
        if self.stride < 1 or (self.max_frames is not None and self.max_frames < 1):
            raise ConfigError(
                f"stride and max-frames must be 1 or more, got {self.stride}, {self.max_frames}"
            )

    def outcome(self, frame: Frame) -> Outcome | None:
        """What becomes of a frame that is not to be inferred; None if it is."""
        if frame.damaged:
            return Outcome.CORRUPT
        return None if frame.index % self.stride == 0 else Outcome.SKIPPED

    def ends_after(self, read: int) -> bool:
        """Whether `read` frames are enough."""
        return self.max_frames is not None and read >= self.max_frames


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A frame in its place in line; `outcome` is None until it is known."""

    frame: Frame
    outcome: Outcome | None = None
    read_seconds: float = 0.0
    """Monotonic time at which the frame left the decoder."""
    poses: FramePoses | None = None
    """Only with the outcome inferred."""


Group = tuple[Entry, ...]
"""Consecutive frames of a stream that pass a stage together."""


class FrameTracker(Protocol):
    """What the pipeline needs of a tracker; `stream.tracking.tracker` is the real one."""

    def update(self, poses: FramePoses, pts_seconds: float) -> tuple[TrackedPose, ...]:
        """The people of the next frame with their track ids."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Everything one run of one stream needs. The runner closes source and sink, nothing else."""

    source: Source
    estimator: Estimator
    new_tracker: Callable[[], FrameTracker]
    """Called once for each epoch of the stream: ids belong to it."""
    sink: Sink
    observer: Observer
    clock: Clock
    stop: StopRequest
    selection: Selection = Selection()

    @property
    def max_wait_seconds(self) -> float:
        """How long a frame may wait for its batch to fill; files wait for ever."""
        return LIVE_MAX_WAIT_SECONDS if self.source.description.is_live else float("inf")


def read_frames(run: Run) -> Iterator[Entry]:
    """Decodes until the source ends, enough frames are read, or a stop is asked for."""
    frames = iter(run.source.frames())
    corrupt_packets = decode_steps = 0
    for read in count():
        if run.selection.ends_after(read):
            return
        started = run.clock.monotonic()
        frame = next(frames, None)
        now = run.clock.monotonic()
        run.observer.stage("decode", now - started)
        if run.source.corrupt_packets > corrupt_packets:
            run.observer.packets_corrupt(run.source.corrupt_packets - corrupt_packets)
            corrupt_packets = run.source.corrupt_packets
        for step in run.source.decode_steps[decode_steps:]:
            run.observer.decode_stepped_down(step.rung, step.reason)
            decode_steps += 1
        if frame is None or run.stop.requested:
            return
        run.observer.frame_read(frame)
        yield Entry(frame, run.selection.outcome(frame), now)


class Grouper:
    """Holds consecutive entries until the ones to infer fill a batch, or are due."""

    def __init__(self, batch_size: int, max_wait_seconds: float) -> None:
        self._batcher = Batcher(batch_size, max_wait_seconds)
        self._entries: list[Entry] = []

    def offer(self, entry: Entry, now_seconds: float) -> Group | None:
        """Takes an entry; returns the group it completes, if it does."""
        self._entries.append(entry)
        inferred = entry.outcome is None
        full = inferred and self._batcher.offer(entry.frame, now_seconds) is not None
        return self.flush() if full or len(self._entries) >= MAX_GROUP_ENTRIES else None

    def poll(self, now_seconds: float) -> Group | None:
        """The held entries if the oldest frame to infer has waited long enough."""
        due = self.due_seconds()
        return self.flush() if due is not None and now_seconds >= due else None

    def due_seconds(self) -> float | None:
        """When `poll` will give a group; None while nothing to infer is held."""
        return self._batcher.due_seconds()

    def flush(self) -> Group | None:
        """All held entries; None if there are none."""
        self._batcher.flush()
        group, self._entries = tuple(self._entries), []
        return group or None


@dataclass(frozen=True, slots=True, eq=False)
class GroupUnderWay:
    """A group whose frames were handed to the estimator."""

    group: Group
    frames: FrameBatch = ()
    """Those that are inferred."""
    poses: PendingPoses | None = None
    """None if nothing is to be waited for: every entry has its outcome."""


class EstimateStage:
    """Gives every entry its outcome, and its people to those that are inferred."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._failures = 0
        # Asked once: Python looks for every method of the protocol by its name.
        self._overlapping: OverlappingEstimator | None = None
        if isinstance(run.estimator, OverlappingEstimator):
            self._overlapping = None if run.source.description.is_live else run.estimator

    @property
    def depth(self) -> int:
        """How many groups are worth having under way; one of a camera: no frame waits in line."""
        return 1 if self._overlapping is None else self._overlapping.in_flight

    def settle(self, group: Group) -> Group:
        """Infers what is to be inferred; after a stop request nothing is, and the rest skipped.

        Raises:
            EngineError: if this is the last of `MAX_FAILED_BATCHES` failing batches in a row.
        """
        return self.finish(self.begin(group))

    def begin(self, group: Group) -> GroupUnderWay:
        """The first half of `settle`: hands the frames over."""
        if self._run.stop.requested:
            return GroupUnderWay(_settled(group, Outcome.SKIPPED))
        waiting = [entry for entry in group if entry.outcome is None]
        if not waiting:
            return GroupUnderWay(group)
        now = self._run.clock.monotonic()
        for entry in waiting:
            self._run.observer.stage("queue", now - entry.read_seconds)
        frames = tuple(entry.frame for entry in waiting)
        return GroupUnderWay(group, frames, self._submitted(frames))

    def finish(self, under_way: GroupUnderWay) -> Group:
        """The second half: waits for their people; groups are finished in the order they began.

        Raises:
            EngineError: see `settle`.
        """
        if under_way.poses is None:
            return under_way.group
        found = self._result(under_way.frames, under_way.poses)
        if found is None:
            return _settled(under_way.group, Outcome.FAILED)
        people = iter(found)
        return tuple(
            replace(entry, outcome=Outcome.INFERRED, poses=next(people))
            if entry.outcome is None
            else entry
            for entry in under_way.group
        )

    def _submitted(self, frames: FrameBatch) -> PendingPoses:
        if self._overlapping is None or self._overlapping.in_flight == 1:
            return _Later(partial(self._run.estimator.estimate, frames))
        try:
            return self._overlapping.submit(frames)
        except EngineError as error:  # told when its turn comes
            return _Later(partial(_raised, error))

    def _result(self, frames: FrameBatch, poses: PendingPoses) -> list[FramePoses] | None:
        """People of each frame; None if the engine failed and the run may go on."""
        try:
            found = poses.result()
        except EngineError as error:
            self._failures += 1
            if self._failures >= MAX_FAILED_BATCHES:
                raise
            first = frames[0]
            fields = {"stream": first.stream, "first_frame": first.index, "cause": str(error)}
            log.warning("batch_failed", extra=fields)
            return None
        if len(found) != len(frames):
            raise EngineError(
                f"model {self._run.estimator.model}: {len(frames)} frames went in, people of "
                f"{len(found)} came out"
            )
        self._failures = 0
        self._run.observer.batch(len(frames))
        return found


@dataclass(frozen=True, slots=True)
class _Later:
    """Implements `PendingPoses`: all of the work is done when it is asked for."""

    result: Callable[[], list[FramePoses]]


def _raised(error: EngineError) -> NoReturn:
    raise error


def _settled(group: Group, outcome: Outcome) -> Group:
    return tuple(replace(entry, outcome=entry.outcome or outcome) for entry in group)


class PublishStage:
    """Tracks the people and hands every frame's result to the sink, in order."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._epoch = -1
        self._tracker: FrameTracker | None = None

    def publish(self, group: Group) -> None:
        """Publishes each entry of a settled group.

        Raises:
            SinkError: if a result cannot be delivered.
        """
        for entry in group:
            self._publish(entry)

    def _publish(self, entry: Entry) -> None:
        run = self._run
        started = run.clock.monotonic()
        people = self._track(entry)
        tracked = run.clock.monotonic()
        result = FrameResult(
            entry.frame, entry.outcome or Outcome.SKIPPED, run.estimator.model, people
        )
        run.sink.publish(result)
        run.observer.stage("track", tracked - started)
        run.observer.stage("publish", run.clock.monotonic() - tracked)
        run.observer.published(result)

    def _track(self, entry: Entry) -> tuple[TrackedPose, ...]:
        """The entry's people with their ids; a frame without poses leaves the tracks alone."""
        if entry.poses is None:
            return ()
        if self._tracker is None or entry.frame.epoch != self._epoch:
            self._tracker, self._epoch = self._run.new_tracker(), entry.frame.epoch
        return self._tracker.update(entry.poses, entry.frame.pts_seconds)
