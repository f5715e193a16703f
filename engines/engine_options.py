"""What may be said about opening an engine besides the canvas, threads and precision."""

from collections.abc import Callable
from dataclasses import dataclass

from engines.batch_ring import IN_FLIGHT_ON_GPU
from engines.engine_store import EngineStore
from stream.errors import Obstacle


def _tell_nobody(_engine: str, _obstacle: Obstacle) -> None:
    """For callers who only log."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options that every opener takes."""

    batches: tuple[int, ...] = (1,)
    """Batch sizes to compile for; batches of other sizes are padded up to one, or split."""
    store: EngineStore | None = None
    """Where built engines lie; None compiles in memory (where the engine can)."""
    in_flight: int = IN_FLIGHT_ON_GPU
    """Batches that may be under way at most; each takes the memory of its activations on a GPU, of
    its pictures and results on the processor, where two are enough."""
    passed_over: Callable[[str, Obstacle], None] = _tell_nobody
    """Told of each engine that `auto` had to pass over, and why."""


DEFAULT_OPTIONS = EngineOptions()
