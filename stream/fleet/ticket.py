"""A frame on its way through the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from stream.fleet.frame_schedule import WaitingFrame
from stream.fleet.messages import FrameReady
from stream.fleet.shared_segment import SharedSegment
from stream.frame import Outcome
from stream.pose import Pose

Settle = Callable[[Outcome, tuple[Pose, ...]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """What the engine's desk needs of a frame, and whom it tells the outcome; once."""

    waiting: WaitingFrame
    ready: FrameReady
    """As the decoder described it."""
    segment: SharedSegment
    settle: Settle

    @property
    def key(self) -> tuple[str, int, int]:
        """What names the frame."""
        return self.ready.stream, self.ready.epoch, self.ready.index
