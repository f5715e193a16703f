"""What the pipeline needs of a pose estimator; `engines.estimator` is the real one."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from stream.frame import Frame
from stream.pose import FramePoses


class Estimator(Protocol):
    """Frames in, people out."""

    @property
    def model(self) -> str:
        """Name of the model, as it stands in every result."""
        ...

    @property
    def batch_size(self) -> int:
        """How many frames the estimator wants at once."""
        ...

    def estimate(self, frames: Sequence[Frame]) -> list[FramePoses]:
        """Poses of each frame, in the order given, keypoints in pixels of the source frame.

        Raises:
            EngineError: if the engine fails; no frame of the batch then has poses.
        """
        ...

    def close(self) -> None:
        """Frees the engine; a second call does nothing."""
        ...


class PendingPoses(Protocol):
    """Poses of frames that were handed to an estimator."""

    def result(self) -> list[FramePoses]:
        """Waits for them; see `Estimator.estimate`. To be called once.

        Raises:
            EngineError: if the engine failed on these frames.
        """
        ...


@runtime_checkable
class OverlappingEstimator(Estimator, Protocol):
    """An estimator that takes the next frames before it has told the people of the last ones."""

    @property
    def in_flight(self) -> int:
        """How many calls of `submit` are worth having under way; 1: nothing is gained by it."""
        ...

    def submit(self, frames: Sequence[Frame]) -> PendingPoses:
        """As `estimate`, without waiting; results are to be asked for in the order of the calls.

        Raises:
            EngineError: if the frames are refused, or after `close`.
        """
        ...
