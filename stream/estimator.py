"""What the pipeline needs of a pose estimator; `engines.estimator` is the real one."""

from collections.abc import Sequence
from typing import Protocol

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
