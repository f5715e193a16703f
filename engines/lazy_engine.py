"""The engine of a stage that may never be needed: opened when it is first wanted."""

from collections.abc import Callable

from engines.engine import Engine, EngineSpec
from stream.errors import EngineError


class LazyEngine:
    """Opens an engine when it is first asked for it, and closes it once.

    Args:
        model: whose engine it is, for messages.
        make: opens it.
    """

    def __init__(self, model: str, make: Callable[[], Engine]) -> None:
        self._model, self._make = model, make
        self._engine: Engine | None = None
        self._closed = False

    @property
    def specs(self) -> tuple[EngineSpec, ...]:
        """The engine, if it was opened."""
        return () if self._engine is None else (self._engine.spec,)

    def opened(self) -> Engine:
        """The engine.

        Raises:
            EngineError: if it cannot be opened, or after `close`.
        """
        if self._closed:
            raise EngineError(f"model {self._model} was closed; make a new estimator")
        if self._engine is None:
            self._engine = self._make()
        return self._engine

    def close(self) -> None:
        """Frees the engine; a second call does nothing."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
            self._engine = None
