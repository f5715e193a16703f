"""One estimator for several runs at once: frames that wait at the same time ride together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Condition, Event

from stream.errors import EngineError
from stream.estimator import Estimator
from stream.frame import Frame
from stream.pose import FramePoses


@dataclass(slots=True)
class _Request:
    frames: Sequence[Frame]
    found: list[FramePoses] = field(default_factory=list)
    error: Exception | None = None
    is_settled: Event = field(default_factory=Event)


class SharedEstimator:
    """Implements `stream.estimator.Estimator` for many threads; one thread, `serve`, does the work.

    Every run sends whole batches: had it a share only, the engine would mostly find one run's share
    and begin with that, half empty. There is no waiting for a batch to fill: while the engine works
    the next frames gather. What a frame gets does not depend on its neighbours, and a batch that
    fails is tried again run by run, so that a run gets what it would get alone.
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
        request = _Request(frames)
        with self._changed:
            if not self._is_open:
                raise EngineError(f"estimator of model {self.model} was closed; make a new one")
            self._waiting.append(request)
            self._changed.notify_all()
        request.is_settled.wait()
        if request.error is not None:
            raise request.error
        return request.found

    def close(self) -> None:
        """See `Estimator.close`: ends `serve` when nothing waits any more."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def serve(self) -> None:
        """Body of the engine's thread: works until `close`."""
        while requests := self._next_batch():
            self._settle(requests)

    def _next_batch(self) -> list[_Request]:
        """What waits, up to one batch; empty once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._is_open)
            taken: list[_Request] = []
            frames = 0
            while self._waiting:
                frames += len(self._waiting[0].frames)
                if taken and frames > self._estimator.batch_size:
                    break
                taken.append(self._waiting.popleft())
            return taken

    def _settle(self, requests: list[_Request]) -> None:
        frames = [frame for request in requests for frame in request.frames]
        try:
            found = iter(self._estimator.estimate(frames))
            for request in requests:
                request.found = [next(found) for _ in request.frames]
        except Exception as error:  # noqa: BLE001 - raised where the frames came from
            if len(requests) > 1:
                for request in requests:
                    self._settle([request])
                return
            requests[0].error = error
        for request in requests:
            request.is_settled.set()
