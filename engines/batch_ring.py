"""Several batches on their way through a device at once: uploaded, computed, downloaded.

Pure order: what a device does with a batch is behind `Slot`. Batches are over in the order in which
they began, and only then is their slot free: no buffer is written while somebody still reads it.
With one slot a batch is over before the next one begins.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.engine import Tensors
from stream.errors import EngineError

IN_FLIGHT_ON_GPU = 3
"""One batch is uploaded while another is computed and a third one downloaded."""

Arrays = dict[str, NDArray[np.generic]]
RunBatch = Callable[[Arrays], Tensors]
"""Runs inputs whose batch is one of the buckets, contiguous; the arrays it returns may be
overwritten by the next call."""


class Slot(Protocol):
    """Room for one batch on its way; owns its buffers. `start` and `finish` take turns."""

    def start(self, inputs: Arrays) -> None:
        """Takes the inputs over and begins; once it returns, the caller may overwrite them.

        Raises:
            EngineError: if the batch cannot begin; the slot is free again.
        """
        ...

    def finish(self) -> Tensors:
        """Waits for the batch; its outputs, which the next `start` may overwrite.

        Raises:
            EngineError: if the batch failed; the slot is free again.
        """
        ...


Slots = Mapping[int, Sequence[Slot]]
"""Batch size -> as many slots as batches may be under way."""


class DirectSlot:
    """Implements `Slot` where nothing can overlap: the batch is computed as it starts."""

    def __init__(self, run_batch: RunBatch) -> None:
        self._run = run_batch
        self._outputs: Tensors = {}

    def start(self, inputs: Arrays) -> None:
        """See `Slot.start`."""
        self._outputs = self._run(inputs)

    def finish(self) -> Tensors:
        """See `Slot.finish`."""
        outputs, self._outputs = self._outputs, {}
        return outputs


@dataclass(slots=True, eq=False)
class Passage:
    """One batch and what becomes of it."""

    size: int
    keep: Callable[[Tensors], None]
    """Copies its outputs, when they are there."""
    slot: Slot
    is_over: bool = False
    error: EngineError | None = None


class BatchRing:
    """Sends batches through slots; one caller at a time.

    Args:
        slots: at least one for each batch size; the fewest say how many batches are under way.
    """

    def __init__(self, slots: Slots) -> None:
        self.depth = min(len(some) for some in slots.values())
        # As many of each size as batches are under way in all: one is always free.
        self._free = {size: deque(list(some)[: self.depth]) for size, some in slots.items()}
        self._under_way: deque[Passage] = deque()

    def send(self, size: int, inputs: Arrays, keep: Callable[[Tensors], None]) -> Passage:
        """Begins with a batch of one of the sizes; waits for the oldest one if there is no room.

        A batch that cannot begin has that as its error; those before and after it go on.
        """
        while len(self._under_way) >= self.depth:
            self._settle_oldest()
        passage = Passage(size, keep, self._free[size].popleft())
        try:
            passage.slot.start(inputs)
        except EngineError as error:
            passage.error = error
            self._end(passage)
            return passage
        except BaseException:  # a bug, or Ctrl-C: the slot must not be lost
            self._end(passage)
            raise
        self._under_way.append(passage)
        return passage

    def wait(self, passage: Passage) -> None:
        """Until that batch, and all that began before it, are over.

        Raises:
            EngineError: if that batch failed, and each time it is asked for.
        """
        while not passage.is_over:
            self._settle_oldest()
        if passage.error is not None:
            raise passage.error

    def close(self) -> None:
        """Waits for all that is under way, whose owners still get it, and lets go of the slots."""
        while self._under_way:
            self._settle_oldest()
        self._free.clear()

    def _settle_oldest(self) -> None:
        passage = self._under_way.popleft()
        try:
            passage.keep(passage.slot.finish())
        except EngineError as error:
            passage.error = error
        finally:  # as in `send`
            self._end(passage)

    def _end(self, passage: Passage) -> None:
        passage.is_over = True
        self._free[passage.size].append(passage.slot)


def direct_slots(sizes: Sequence[int], run_batch: RunBatch) -> Slots:
    """One for each batch size: nothing overlaps."""
    return {size: (DirectSlot(run_batch),) for size in sizes}
