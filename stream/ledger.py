"""Counts what became of every frame and refuses to lose one."""

from dataclasses import dataclass, field

from stream.errors import PoseStreamError
from stream.frame import Outcome


class LedgerError(PoseStreamError, RuntimeError):
    """More outcomes than frames: a frame was counted twice."""


@dataclass(slots=True)
class FrameLedger:
    """Per stream: read = inferred + skipped + dropped + corrupt + failed + in flight."""

    read: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))

    @property
    def in_flight(self) -> int:
        """Frames read that have no outcome yet; 0 after the end of a stream."""
        return self.read - sum(self.outcomes.values())

    def open_frame(self) -> None:
        """A frame left the decoder."""
        self.read += 1

    def close_frame(self, outcome: Outcome) -> None:
        """A frame met its outcome.

        Raises:
            LedgerError: if no frame is in flight.
        """
        if self.in_flight < 1:
            raise LedgerError(f"outcome {outcome} for a frame that was never read: {self}")
        self.outcomes[outcome] += 1

    def pass_frames(self, outcome: Outcome, count: int) -> None:
        """So many frames left the decoder and met their outcome right there.

        Raises:
            LedgerError: if the count is negative.
        """
        if count < 0:
            raise LedgerError(f"{count} frames cannot be {outcome}: {self}")
        self.read += count
        self.outcomes[outcome] += count

    def copy(self) -> "FrameLedger":
        """The counts of this moment."""
        return FrameLedger(self.read, dict(self.outcomes))
