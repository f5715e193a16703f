"""Where pixels are copied after they were decoded, and what engines give out: what is counted.

On a path without copies, where pictures stay on the GPU from its decoder to its engine, all steps
stay at 0. The processor's path counts its own: a canvas or crop is drawn for every picture.
"""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol


class CopyStep(StrEnum):
    """How pixels came into the processor's memory, or left it."""

    RENDER = "render"
    """A canvas or crop was drawn by the processor."""
    UPLOAD = "upload"
    """It was sent on to a GPU, through pinned memory."""
    FETCH = "fetch"
    """A picture that a GPU had decoded came to the processor."""
    SHARE = "share"
    """A decoder put a picture into memory that the engine's process maps, too."""


TellCopies = Callable[[CopyStep, int, int], None]
"""Told the step, how many pictures, canvases or crops, and their bytes."""


class Traffic(Protocol):
    """Whoever counts."""

    def copied(self, step: CopyStep, pictures: int, size_bytes: int) -> None:
        """So many pictures, canvases or crops of so many bytes in all were copied."""
        ...

    def results_left(self, model: str, size_bytes: int) -> None:
        """An engine gave out so many bytes of results."""
        ...


def tell_nobody_of_copies(_step: CopyStep, _pictures: int, _size_bytes: int) -> None:
    """For those who do not count."""


class TrafficCounts:
    """Implements `Traffic`: keeps the counts until somebody takes them; for one thread.

    Once `forward` named somebody, it keeps nothing and may be told by any thread.
    """

    def __init__(self) -> None:
        self.pictures: Counter[CopyStep] = Counter()
        self.copied_bytes: Counter[CopyStep] = Counter()
        self.result_bytes: Counter[str] = Counter()
        self._to: Traffic | None = None

    def copied(self, step: CopyStep, pictures: int, size_bytes: int) -> None:
        """See `Traffic.copied`."""
        if self._to is not None:
            self._to.copied(step, pictures, size_bytes)
            return
        self.pictures[step] += pictures
        self.copied_bytes[step] += size_bytes

    def results_left(self, model: str, size_bytes: int) -> None:
        """See `Traffic.results_left`."""
        if self._to is not None:
            self._to.results_left(model, size_bytes)
            return
        self.result_bytes[model] += size_bytes

    def tell(self, to: Traffic) -> None:
        """Tells what was counted, and begins anew."""
        for step, pictures in self.pictures.items():
            to.copied(step, pictures, self.copied_bytes[step])
        for model, size_bytes in self.result_bytes.items():
            to.results_left(model, size_bytes)
        self.forget()

    def forget(self) -> None:
        """Begins anew: what was counted was told."""
        for counts in (self.pictures, self.copied_bytes, self.result_bytes):
            counts.clear()

    def forward(self, to: Traffic) -> None:
        """From now on somebody else counts, also what there was so far."""
        self.tell(to)
        self._to = to
