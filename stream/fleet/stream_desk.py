"""The supervisor's side of one stream: its state, its frames in order, its ledger, its newest pose.

Frames leave in the order they came, whatever order their outcomes come in.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from zlib import crc32

from stream.clock import Clock
from stream.daemon_metrics import DropReason
from stream.errors import LossCause, PoseError
from stream.fleet.engine_process import shared_frame
from stream.fleet.frame_schedule import WaitingFrame
from stream.fleet.messages import FrameReady, PassedFrames, StreamOpened
from stream.fleet.segment import picture_bytes
from stream.fleet.shared_segment import SharedSegment
from stream.fleet.stream_machine import NextStep, StreamMachine, StreamState, StreamStatus
from stream.fleet.stream_plan import StreamPlan
from stream.fleet.ticket import Ticket
from stream.frame import Frame, FrameResult, Outcome
from stream.ingest.frame_timeline import TimeJump
from stream.ledger import FrameLedger
from stream.metrics import Stage
from stream.metrics_observer import MetricsObserver
from stream.pipeline import FrameTracker
from stream.pixel_copies import CopyStep
from stream.pose import FramePoses, Pose, TrackedPose
from stream.sinks.sink import Sink

log = logging.getLogger(__name__)

STATES = tuple(state.value for state in StreamState)
CAUSES = tuple(cause.value for cause in LossCause)
JUMPS = tuple(jump.value for jump in TimeJump)


@dataclass(frozen=True, slots=True)
class DeskTools:
    """What the desks of all streams share."""

    clock: Clock
    new_tracker: Callable[[str], FrameTracker]
    """For the poses of a model, as a site names it."""
    on_state: Callable[[str, StreamStatus], None]
    """Told every change of a stream's state."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A frame in its place in line."""

    frame: Frame
    segment: SharedSegment
    slot: int
    outcome: Outcome | None = None
    poses: tuple[Pose, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The newest frame of a stream whose people are known."""

    frame: Frame
    """Its picture is valid until the next one of the stream; copy what is to stay."""
    people: tuple[TrackedPose, ...]


class StreamDesk:
    """One stream, from its adding to its removal; used by the supervisor's thread."""

    def __init__(
        self, plan: StreamPlan, sink: Sink, observer: MetricsObserver, tools: DeskTools
    ) -> None:
        self.plan = plan
        self.ledger = FrameLedger()
        self.opened: StreamOpened | None = None
        """What the newest connection is."""
        self.run = 0
        """Number of the newest connection."""
        self.last_epoch = -1
        self.last_loss = ""
        """In words; shows no login."""
        self.reconnects = 0
        self.snapshot: Snapshot | None = None
        self.last_frame_wall_seconds: float | None = None
        self.result_age_seconds: float | None = None
        """Of the newest inferred result, when it was handed to the sinks."""
        self._sink, self._observer, self._tools = sink, observer, tools
        self._machine = StreamMachine(plan.patience, crc32(plan.name.encode()))
        self._told = StreamState.STOPPED
        self._line: deque[_Entry] = deque()
        self._shown: _Entry | None = None
        """Keeps the slot of the snapshot's picture."""
        self._tracker: FrameTracker | None = None
        self._tracker_epoch = -1
        metrics = observer.metrics.daemon
        metrics.open_connection(plan.name, STATES, CAUSES, JUMPS)
        metrics.state_changed(plan.name, self._told.value, self._told.value)

    @property
    def status(self) -> StreamStatus:
        """Its state."""
        return self._machine.status

    def adopt(self, plan: StreamPlan) -> None:
        """The stream, which is stopped, goes on after another plan."""
        self.plan = plan
        self._machine = StreamMachine(plan.patience, crc32(plan.name.encode()))

    def resume(self) -> NextStep | None:
        """See `StreamMachine.resume`."""
        return self._after(self._machine.resume(self._now))

    def stop(self) -> NextStep | None:
        """See `StreamMachine.stop`."""
        return self._after(self._machine.stop(self._now))

    def tick(self) -> NextStep | None:
        """See `StreamMachine.tick`."""
        action = self._after(self._machine.tick(self._now))
        if action is NextStep.ABANDON:
            self._count_loss(LossCause.WATCHDOG, f"stream {self.plan.name}: its reader hung")
        return action

    def lost(self, cause: LossCause, words: str) -> None:
        """The connection failed."""
        self._count_loss(cause, words)
        self._machine.lost(cause, self._now)
        self._after(None)

    def hear_opened(self, opened: StreamOpened) -> None:
        """The source is there."""
        self.opened = opened
        self._machine.opened(self._now)

    def passed(self, passed: PassedFrames) -> None:
        """Frames met their outcome in the decoder."""
        counts = {
            Outcome.SKIPPED: passed.skipped,
            Outcome.CORRUPT: passed.corrupt,
            Outcome.DROPPED: passed.dropped,
        }
        for outcome, count in counts.items():
            self.ledger.pass_frames(outcome, count)
            self._observer.metrics.frames_passed(self.plan.name, outcome, count)
        daemon = self._observer.metrics.daemon
        daemon.frames_dropped(self.plan.name, DropReason.NO_ROOM, passed.dropped)
        for rung, reason in passed.decode_steps:
            self._observer.decode_stepped_down(rung, reason)
        for jump in passed.time_jumps:
            daemon.time_jumped(self.plan.name, jump.value)
        traffic = self._observer.metrics.traffic
        traffic.copied(CopyStep.FETCH, passed.fetched, passed.fetched_bytes)
        if passed.corrupt_packets:
            self._observer.packets_corrupt(passed.corrupt_packets)
        if passed.skipped or passed.dropped:
            self._saw_frame(self._tools.clock.wall())

    def skip(self) -> None:
        """A frame came that nobody wants any more."""
        self.ledger.pass_frames(Outcome.SKIPPED, 1)
        self._observer.metrics.frames_passed(self.plan.name, Outcome.SKIPPED, 1)

    def take(self, ready: FrameReady, segment: SharedSegment) -> Ticket:
        """A frame to infer came; its slot was taken over.

        Raises:
            SegmentError: if its picture does not lie where the decoder says.
            PoseError: if it cannot be a frame.
        """
        frame = shared_frame(ready, segment.view)
        entry = _Entry(frame, segment, ready.slot)
        self.ledger.open_frame()
        self._line.append(entry)
        self.last_epoch = max(self.last_epoch, ready.epoch)
        metrics = self._observer.metrics
        metrics.frame_read(self.plan.name, ready.capture_seconds)
        metrics.traffic.copied(CopyStep.SHARE, 1, picture_bytes(ready.width, ready.height))
        self._saw_frame(ready.capture_seconds)
        due = ready.read_seconds + self.plan.target_age_seconds
        waiting = WaitingFrame(frame, ready.read_seconds, due)
        return Ticket(waiting, ready, segment, partial(self._settle, entry))

    def finish(self) -> None:
        """The stream is removed: what is still on its way is skipped, and everything ended."""
        for entry in self._line:
            entry.outcome = entry.outcome or Outcome.SKIPPED
        self._publish_settled()
        self._show(None)
        self._sink.close()
        self._observer.metrics.daemon.close_connection(self.plan.name, STATES, CAUSES, JUMPS)
        self._observer.close()

    @property
    def _now(self) -> float:
        return self._tools.clock.monotonic()

    def _saw_frame(self, capture_seconds: float) -> None:
        self._machine.frame(self._now)
        self.last_frame_wall_seconds = capture_seconds
        self._observer.metrics.frame_seen(self.plan.name, capture_seconds)
        self._after(None)

    def _count_loss(self, cause: LossCause, words: str) -> None:
        self.last_loss = words
        self.reconnects += 1
        self._observer.metrics.daemon.connection_lost(self.plan.name, cause.value)

    def _after(self, action: NextStep | None) -> NextStep | None:
        """Tells a change of state."""
        status = self._machine.status
        if status.state is not self._told:
            self._observer.metrics.daemon.state_changed(
                self.plan.name, self._told.value, status.state.value
            )
            self._told = status.state
            self._tools.on_state(self.plan.name, status)
        return action

    def _settle(self, entry: _Entry, outcome: Outcome, poses: tuple[Pose, ...]) -> None:
        if entry.outcome is None:
            entry.outcome, entry.poses = outcome, poses
            if outcome is not Outcome.INFERRED:
                self._free(entry)
            self._publish_settled()
        else:
            # The stream ended while the engine had the frame: only now is its slot free.
            self._free(entry)

    def _free(self, entry: _Entry) -> None:
        """Gives the slot back, whose picture nobody looks at any more."""
        entry.segment.give_back(entry.slot)

    def _publish_settled(self) -> None:
        while self._line and self._line[0].outcome is not None:
            self._publish(self._line.popleft())

    def _publish(self, entry: _Entry) -> None:
        clock, observer = self._tools.clock, self._observer
        begun = clock.monotonic()
        outcome, people = self._tracked(entry)
        tracked = clock.monotonic()
        result = self._delivered(FrameResult(entry.frame, outcome, self.plan.model, people))
        outcome = result.outcome
        self.ledger.close_frame(outcome)
        observer.stage(Stage.TRACK, tracked - begun)
        observer.stage(Stage.PUBLISH, clock.monotonic() - tracked)
        observer.published(result)
        if outcome is Outcome.INFERRED:
            self.result_age_seconds = max(clock.wall() - entry.frame.capture_seconds, 0.0)
            self._show(entry)
            self.snapshot = Snapshot(entry.frame, people)
        elif entry.outcome is Outcome.INFERRED:
            self._free(entry)

    def _delivered(self, result: FrameResult) -> FrameResult:
        """The result as it was published: people that no reader could make sense of fail it."""
        try:
            self._sink.publish(result)
        except PoseError as error:
            self._warn_of(result.frame, error)
            result = FrameResult(result.frame, Outcome.FAILED, result.model)
            self._sink.publish(result)
        return result

    def _warn_of(self, frame: Frame, error: PoseError) -> None:
        fields = {"stream": frame.stream, "frame": frame.index, "cause": str(error)}
        log.warning("people_make_no_sense", extra=fields)

    def _tracked(self, entry: _Entry) -> tuple[Outcome, tuple[TrackedPose, ...]]:
        outcome = entry.outcome or Outcome.SKIPPED
        if outcome is not Outcome.INFERRED:
            return outcome, ()
        frame = entry.frame
        if self._tracker is None or frame.epoch != self._tracker_epoch:
            self._tracker = self._tools.new_tracker(self.plan.model)
            self._tracker_epoch = frame.epoch
        poses = FramePoses(frame.stream, frame.epoch, frame.index, entry.poses)
        try:
            return outcome, self._tracker.update(poses, frame.pts_seconds)
        except PoseError as error:
            self._warn_of(frame, error)
            return Outcome.FAILED, ()

    def _show(self, entry: _Entry | None) -> None:
        if self._shown is not None:
            self.snapshot = None
            self._free(self._shown)
        self._shown = entry
