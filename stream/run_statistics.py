"""What one run did, for its progress line and its summary."""

from stream.clock import Clock
from stream.frame import Frame, FrameResult, Outcome
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.ledger import FrameLedger
from stream.stage_times import StageTimes


class RunStatistics:
    """Implements `stream.observer.Observer` for one stream; constant memory.

    Each stage is told by one thread only, frames are read by one thread and published by one, so
    no lock is needed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = -1
        self._last_track = 0
        self._earlier_tracks = 0
        self._epoch_began_pts_seconds = 0.0
        self._earlier_media_seconds = 0.0
        self._epoch_media_seconds = 0.0
        self.ledger = FrameLedger()
        self.stages: dict[str, StageTimes] = {}
        self.corrupt_packets = 0
        self.poses = 0
        self.people_now = 0
        """People in the newest inferred frame."""
        self.started_seconds: float | None = None
        """Monotonic time at which the first frame left the decoder; None before."""
        self.first_result_seconds: float | None = None
        """Monotonic time of the first published result."""
        self.last_result_seconds: float | None = None

    @property
    def tracks(self) -> int:
        """Tracks so far: the highest ids of all epochs together (ids are counted from 1)."""
        return self._earlier_tracks + self._last_track

    @property
    def media_seconds(self) -> float:
        """Presentation time covered by the published frames, all epochs together."""
        return self._earlier_media_seconds + self._epoch_media_seconds

    @property
    def run_seconds(self) -> float:
        """From the first frame read to the last result."""
        if self.started_seconds is None or self.last_result_seconds is None:
            return 0.0
        return self.last_result_seconds - self.started_seconds

    @property
    def frames_per_second(self) -> float:
        """Published frames a second; 0 before there is a duration."""
        published = self.ledger.read - self.ledger.in_flight
        return published / self.run_seconds if self.run_seconds > 0 else 0.0

    @property
    def realtime_factor(self) -> float:
        """Media seconds a second of run time; above 1 is faster than the camera was."""
        return self.media_seconds / self.run_seconds if self.run_seconds > 0 else 0.0

    def frame_read(self, frame: Frame) -> None:
        """See `Observer.frame_read`."""
        if self.started_seconds is None:
            self.started_seconds = self._clock.monotonic()
        self.ledger.open_frame()

    def stage(self, stage: str, seconds: float) -> None:
        """See `Observer.stage`."""
        self.stages.setdefault(stage, StageTimes()).add(seconds)

    def batch(self, size: int) -> None:
        """See `Observer.batch`."""

    def queue(self, queue: str, length: int, capacity: int) -> None:
        """See `Observer.queue`."""

    def packets_corrupt(self, count: int) -> None:
        """See `Observer.packets_corrupt`."""
        self.corrupt_packets += count

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """See `Observer.decode_stepped_down`."""

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        self.last_result_seconds = self._clock.monotonic()
        if self.first_result_seconds is None:
            self.first_result_seconds = self.last_result_seconds
        self.ledger.close_frame(result.outcome)
        self._follow_epoch(result.frame)
        if result.outcome is Outcome.INFERRED:
            self.people_now = len(result.poses)
            self.poses += len(result.poses)
            tracks = (person.track for person in result.poses)
            self._last_track = max(self._last_track, *tracks, 0)

    def _follow_epoch(self, frame: Frame) -> None:
        if frame.epoch != self._epoch:
            self._epoch = frame.epoch
            self._epoch_began_pts_seconds = frame.pts_seconds
            self._earlier_tracks, self._last_track = self.tracks, 0
            self._earlier_media_seconds, self._epoch_media_seconds = self.media_seconds, 0.0
        self._epoch_media_seconds = frame.pts_seconds - self._epoch_began_pts_seconds
