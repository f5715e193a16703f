"""What a reader finds of a stream's results: doubled, out of order, missing; pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

FrameName = tuple[int, int]
"""Epoch and frame."""


@dataclass(frozen=True, slots=True)
class Found:
    """Counts over the results of one stream, of which every frame should have one."""

    results: int
    epochs: int
    doubled: int
    """Frames with more than one result."""
    out_of_order: int
    """Results that are older than the one before."""
    missing: int
    """Frames between the first and the last one of an epoch without a result."""
    late: int
    """Frames at the beginning of an epoch without a result."""

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        return asdict(self)


def found_in(names: Iterable[FrameName]) -> Found:
    """Looks at the results in the order in which they lie."""
    listed = list(names)
    epochs: dict[int, set[int]] = defaultdict(set)
    for epoch, frame in listed:
        epochs[epoch].add(frame)
    return Found(
        results=len(listed),
        epochs=len(epochs),
        doubled=len(listed) - len(set(listed)),
        out_of_order=sum(after < before for before, after in pairwise(listed)),
        missing=sum(max(one) - min(one) + 1 - len(one) for one in epochs.values()),
        late=sum(min(one) for one in epochs.values()),
    )
