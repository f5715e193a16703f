"""What may be said about opening an engine besides the canvas, threads and precision."""

from dataclasses import dataclass

from engines.engine_store import EngineStore


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Options that every opener takes."""

    batches: tuple[int, ...] = (1,)
    """Batch sizes to compile for; batches of other sizes are padded up to one, or split."""
    store: EngineStore | None = None
    """Where built engines lie; None compiles in memory (where the engine can)."""


DEFAULT_OPTIONS = EngineOptions()
