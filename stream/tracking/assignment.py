"""From similarities to one-to-one matches; pure."""

from dataclasses import dataclass

import lap
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matches:
    """Row and column numbers of a similarity matrix; each number stands in exactly one place."""

    pairs: tuple[tuple[int, int], ...]
    """(row, column), rows ascending."""
    free_rows: tuple[int, ...]
    free_columns: tuple[int, ...]


def match(similarity: Floats, min_similarity: float) -> Matches:
    """The one-to-one matches of (N, M) similarities >= 0 with the largest sum.

    Only pairs with at least `min_similarity` can match (the gate); others count as nothing, so a
    forbidden pair never pushes an allowed one aside.
    """
    gated = np.where(similarity >= min_similarity, similarity, 0)
    pairs = tuple(
        (row, column)
        for row, column in enumerate(_best_columns(gated))
        if column >= 0 and similarity[row, column] >= min_similarity
    )
    return Matches(
        pairs,
        _others(similarity.shape[0], {row for row, _ in pairs}),
        _others(similarity.shape[1], {column for _, column in pairs}),
    )


def _best_columns(worth: NDArray[np.floating]) -> list[int]:
    """Each row's column in the assignment of the largest sum; -1 for a row without one."""
    if worth.size == 0:
        return []
    _, columns, _ = lap.lapjv(-worth.astype(np.float64), extend_cost=True)
    return [int(column) for column in columns]


def _others(count: int, taken: set[int]) -> tuple[int, ...]:
    return tuple(number for number in range(count) if number not in taken)
