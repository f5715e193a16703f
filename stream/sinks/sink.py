"""The seam between the pipeline and wherever results go."""

from typing import Protocol

from stream.frame import FrameResult


class Sink(Protocol):
    """Receives every result of a stream, in order, exactly once."""

    def publish(self, result: FrameResult) -> None:
        """Takes one result.

        Raises:
            SinkError: if it cannot be delivered.
        """
        ...

    def close(self) -> None:
        """All went well or was interrupted in good order: make what was published final.

        Raises:
            SinkError: if the last results cannot be made final.
        """
        ...

    def abandon(self) -> None:
        """The run failed: keep what is there under a name that says so; never raises."""
        ...
