"""Feeds the metrics with what happens to one stream."""

from stream.clock import Clock
from stream.frame import Frame, FrameResult, Outcome
from stream.ingest.decode_ladder import DecodeRung, StepReason
from stream.metrics import Metrics, Stage


class MetricsObserver:
    """Implements `stream.observer.Observer`: what it is told goes into `Metrics`."""

    def __init__(self, metrics: Metrics, stream: str, batch_capacity: int, clock: Clock) -> None:
        """Starts the stream's series; `close` removes them."""
        self.metrics = metrics
        self._stream = stream
        self._batch_capacity = batch_capacity
        self._clock = clock
        self._epoch = -1
        self._last_track = 0
        metrics.open_stream(stream)

    def frame_read(self, frame: Frame) -> None:
        """See `Observer.frame_read`."""
        self.metrics.frame_read(self._stream, frame.capture_seconds)

    def stage(self, stage: str, seconds: float) -> None:
        """See `Observer.stage`.

        Raises:
            ValueError: if no `Stage` has that name.
        """
        self.metrics.stage_done(Stage(stage), seconds)

    def batch(self, size: int) -> None:
        """See `Observer.batch`."""
        self.metrics.batch_done(size, self._batch_capacity)

    def queue(self, queue: str, length: int, capacity: int) -> None:
        """See `Observer.queue`."""
        self.metrics.queue_filled(queue, length, capacity)

    def packets_corrupt(self, count: int) -> None:
        """See `Observer.packets_corrupt`."""
        self.metrics.packets_corrupt(self._stream, count)

    def decode_stepped_down(self, rung: DecodeRung, reason: StepReason) -> None:
        """See `Observer.decode_stepped_down`."""
        self.metrics.decode_stepped_down(rung, reason)

    def published(self, result: FrameResult) -> None:
        """See `Observer.published`."""
        age_seconds = self._clock.wall() - result.frame.capture_seconds
        self.metrics.frame_done(self._stream, result.outcome, age_seconds)
        if result.outcome is Outcome.INFERRED:
            confidences = [float(person.pose.confidence.mean()) for person in result.poses]
            self.metrics.people_found(self._stream, confidences)
            self._count_tracks(result)

    def close(self) -> None:
        """Removes the stream's series."""
        self.metrics.close_stream(self._stream)

    def _count_tracks(self, result: FrameResult) -> None:
        """Ids are counted from 1 in each epoch, so the highest one tells how many began."""
        if result.frame.epoch != self._epoch:
            self._epoch, self._last_track = result.frame.epoch, 0
        highest = max((person.track for person in result.poses), default=0)
        if highest > self._last_track:
            self.metrics.tracks_begun(self._stream, highest - self._last_track)
            self._last_track = highest
