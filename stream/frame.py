"""One decoded frame with its times, and batches of them."""

from dataclasses import dataclass
from enum import StrEnum

from stream.errors import PoseError
from stream.picture import Picture
from stream.pose import TrackedPose


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a stream. (stream, epoch, index) names it for ever."""

    stream: str
    epoch: int
    """Unbroken run of the stream's clock, from 0; a reconnect or a time jump starts a new one."""
    index: int
    """Position among the decoded frames of the epoch, from 0."""
    pts_seconds: float
    """Presentation time since the first frame of the epoch (files: since the start of the file)."""
    capture_seconds: float
    """Wall clock (Unix) when the frame left the decoder."""
    picture: Picture
    damaged: bool = False
    """The decoder concealed errors in this frame: it must not be inferred nor tracked."""

    def __post_init__(self) -> None:
        """Refuses a frame without a name or with negative numbers."""
        if not self.stream or self.epoch < 0 or self.index < 0:
            raise PoseError(
                f"frame needs a stream and numbers from 0, got stream {self.stream!r}, "
                f"epoch {self.epoch}, index {self.index}"
            )


FrameBatch = tuple[Frame, ...]
"""Frames that ride through an engine together; frames of one stream are in order."""


class Outcome(StrEnum):
    """What became of a frame; each frame has exactly one."""

    INFERRED = "inferred"
    SKIPPED = "skipped"
    """Left out on purpose: stride, frame-rate cap, or the run was stopped before its turn."""
    DROPPED = "dropped"
    """Overtaken by a newer frame (live streams only)."""
    CORRUPT = "corrupt"
    """The decoder concealed errors in it."""
    FAILED = "failed"
    """The engine raised an error on its batch."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """What leaves the pipeline for one frame. `poses` is empty unless the outcome is inferred."""

    frame: Frame
    outcome: Outcome
    model: str
    poses: tuple[TrackedPose, ...] = ()

    def __post_init__(self) -> None:
        """A frame that was not inferred has no poses: anything else would be invented."""
        if self.poses and self.outcome is not Outcome.INFERRED:
            raise PoseError(f"a frame with outcome {self.outcome} cannot carry poses")
