"""How long engines take: pairs in turn, so that a busy neighbour slows all of them alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engines.engine import Engine
from stream.clock import Clock

MIN_ROUNDS = 5
Floats = NDArray[np.float64]


class Timed(Protocol):
    """Whatever is called again and again."""

    @property
    def name(self) -> str:
        """In the table."""
        ...

    @property
    def batch(self) -> int:
        """Rows in a call."""
        ...

    def call(self) -> object:
        """What takes time."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """An engine, and the batch it is given in every call; implements `Timed`."""

    name: str
    engine: Engine
    inputs: Mapping[str, NDArray[np.generic]]

    @property
    def batch(self) -> int:
        """Rows in a call."""
        return len(next(iter(self.inputs.values())))

    def call(self) -> object:
        """See `Timed.call`."""
        return self.engine.infer(self.inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """What the calls of one contestant took."""

    name: str
    batch: int
    seconds: Floats
    """(rounds,) one call each."""

    def quantile_ms(self, share: float) -> float:
        """Milliseconds a call."""
        return float(np.quantile(self.seconds, share) * 1000)

    @property
    def images_per_second(self) -> float:
        """From the median call."""
        return self.batch / float(np.median(self.seconds))

    def speed_up_over(self, other: "Timing") -> Floats:
        """(rounds,) how many times as fast per image, round by round: both felt the same load."""
        ratio: Floats = (other.seconds / other.batch) / (self.seconds / self.batch)
        return ratio


def take_turns(contestants: Sequence[Timed], seconds: float, clock: Clock) -> list[Timing]:
    """Calls all in turn, again and again, for about so many seconds; warm calls do not count."""
    for one in contestants:
        one.call()
    spent: list[list[float]] = [[] for _ in contestants]
    start = clock.monotonic()
    while clock.monotonic() - start < seconds or len(spent[0]) < MIN_ROUNDS:
        for times, one in zip(spent, contestants, strict=True):
            before = clock.monotonic()
            one.call()
            times.append(clock.monotonic() - before)
    return [
        Timing(one.name, one.batch, np.array(times))
        for one, times in zip(contestants, spent, strict=True)
    ]
