"""One estimator for several runs at once: frames that wait at the same time ride together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition, Event

from stream.errors import EngineError
from stream.estimator import Estimator, OverlappingEstimator, PendingPoses
from stream.frame import Frame
from stream.pose import FramePoses


@dataclass(slots=True)
class _Request:
    frames: Sequence[Frame]
    found: list[FramePoses] = field(default_factory=list)
    error: Exception | None = None
    is_settled: Event = field(default_factory=Event)

    def settle(self, error: Exception | None = None) -> None:
        """Lets the run go on with what was found, or with an error."""
        self.error = error
        self.is_settled.set()

    def result(self) -> list[FramePoses]:
        """See `PendingPoses.result`."""
        self.is_settled.wait()
        if self.error is not None:
            raise self.error
        return self.found


@dataclass(slots=True)
class _Batch:
    """Requests whose frames were handed to the estimator."""

    requests: Sequence[_Request]
    poses: PendingPoses | None
    """None if the estimator takes no more before it has told what it found, or refused them."""


class SharedEstimator:
    """Implements `stream.estimator.OverlappingEstimator` for many threads; one, `serve`, works.

    Every run sends whole batches: had it a share only, the engine would mostly find one run's share
    and begin with that, half empty. There is no waiting for a batch to fill: while the engine works
    the next frames gather. What a frame gets does not depend on its neighbours, and a batch that
    fails is tried again run by run, so that a run gets what it would get alone. Where the estimator
    can, the next batch is handed over before the last one is over.
    """

    def __init__(self, estimator: Estimator) -> None:
        """The caller closes `estimator`."""
        self._estimator = estimator
        self._waiting: deque[_Request] = deque()
        self._changed = Condition()
        self._is_open = True

    @property
    def model(self) -> str:
        """See `Estimator.model`."""
        return self._estimator.model

    @property
    def batch_size(self) -> int:
        """See `Estimator.batch_size`: that of the one estimator."""
        return self._estimator.batch_size

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        """See `Estimator.estimate`."""
        return self.submit(frames).result()

    @property
    def in_flight(self) -> int:
        """See `OverlappingEstimator.in_flight`: that of the one estimator, here for each run."""
        estimator = self._estimator
        return estimator.in_flight if isinstance(estimator, OverlappingEstimator) else 1

    def submit(self, frames: Sequence[Frame]) -> PendingPoses:
        """See `OverlappingEstimator.submit`."""
        request = _Request(frames)
        with self._changed:
            if not self._is_open:
                raise EngineError(f"estimator of model {self.model} was closed; make a new one")
            self._waiting.append(request)
            self._changed.notify_all()
        return request

    def close(self) -> None:
        """See `Estimator.close`: ends `serve` when nothing waits any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def serve(self) -> None:
        """Body of the engine's thread: works until `close`."""
        under_way: deque[_Batch] = deque()
        while True:
            # With something under way it never waits for frames.
            requests = self._next_batch(is_patient=not under_way)
            if requests:
                under_way.append(self._begun(requests))
            elif not under_way:
                return
            if not requests or len(under_way) >= self.in_flight:
                self._settle(under_way.popleft())

    def _next_batch(self, *, is_patient: bool) -> list[_Request]:
        """What waits, up to one batch; empty once closed, or if it need not be waited for."""
        with self._changed:
            if is_patient:
                self._changed.wait_for(lambda: self._waiting or not self._is_open)
            taken: list[_Request] = []
            frames = 0
            while self._waiting:
                frames += len(self._waiting[0].frames)
                if taken and frames > self._estimator.batch_size:
                    break
                taken.append(self._waiting.popleft())
            return taken

    def _begun(self, requests: Sequence[_Request]) -> _Batch:
        estimator = self._estimator
        if not isinstance(estimator, OverlappingEstimator) or estimator.in_flight == 1:
            return _Batch(requests, None)
        try:
            return _Batch(requests, estimator.submit(_frames(requests)))
        except Exception:  # noqa: BLE001 - told when they are tried again
            return _Batch(requests, None)

    def _settle(self, batch: _Batch) -> None:
        requests = batch.requests
        try:
            if batch.poses is None:
                found = iter(self._estimator.estimate(_frames(requests)))
            else:
                found = iter(batch.poses.result())
            for request in requests:
                request.found = [next(found) for _ in request.frames]
        except Exception as error:  # noqa: BLE001 - raised where the frames came from
            if len(requests) == 1:
                requests[0].settle(error)
                return
            for request in requests:
                self._settle(_Batch([request], None))
            return
        for request in requests:
            request.settle()


def _frames(requests: Sequence[_Request]) -> list[Frame]:
    return [frame for request in requests for frame in request.frames]
