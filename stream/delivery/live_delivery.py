"""All sinks of a daemon: one thread each, and for every stream one sink that never waits."""

from collections.abc import Sequence
from contextlib import ExitStack

from stream.delivery.courier import Courier, SinkState
from stream.delivery.delivery_sink import DeliverySink
from stream.delivery.lane import LaneCounts
from stream.worker import start_thread

STOP_SECONDS = 2.0
GRACE_SECONDS = 3.0
"""What a sink may take beyond its budget: one answer that does not come, and closing its files."""


class LiveDelivery:
    """Runs the couriers from its making to its `close`."""

    def __init__(self, couriers: Sequence[Courier]) -> None:
        """Starts a thread for every sink."""
        self._couriers = tuple(couriers)
        self._threads = [start_thread(f"sink {c.name}", c.run) for c in self._couriers]

    def open_stream(self, stream: str) -> DeliverySink:
        """The sink of a stream; what it takes goes to every sink of the daemon.

        Raises:
            SinkError: if its spool cannot be read or written.
            ConfigError: if the stream is open already.
        """
        with ExitStack() as undo:
            lanes = []
            for courier in self._couriers:
                lanes.append(courier.open_lane(stream))
                undo.callback(lanes[-1].shut)
            undo.pop_all()
        return DeliverySink(stream, tuple(zip(lanes, self._couriers, strict=True)))

    @property
    def states(self) -> list[SinkState]:
        """How each sink does."""
        return [courier.state for courier in self._couriers]

    def counts(self) -> dict[str, dict[str, LaneCounts]]:
        """Sink -> stream -> what became of its results."""
        return {courier.name: courier.counts() for courier in self._couriers}

    @property
    def is_alive(self) -> bool:
        """Whether every sink's thread runs; one that does not has ended with an error."""
        return all(thread.is_alive() for thread in self._threads)

    def close(self, budget_seconds: float = STOP_SECONDS) -> bool:
        """Delivers or stores what is under way and ends the threads; a second call does nothing.

        Returns:
            False if a thread did not end; it is left to itself.
        """
        for courier in self._couriers:
            courier.stop(budget_seconds)
        for thread in self._threads:
            thread.join(budget_seconds + GRACE_SECONDS)
        return not any(thread.is_alive() for thread in self._threads)
