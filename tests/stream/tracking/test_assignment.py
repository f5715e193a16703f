from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from stream.tracking.assignment import match

Floats = NDArray[np.float32]
similarities = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4),
    elements=st.floats(0, 1, width=32),
)
gates = st.floats(0.05, 1)


def best_sum(similarity: Floats, gate: float) -> float:
    """By trying everything."""
    wide = similarity if similarity.shape[0] <= similarity.shape[1] else similarity.T
    worth = np.where(wide >= gate, wide, 0)
    columns = range(worth.shape[1])
    return max(
        sum(float(worth[row, column]) for row, column in enumerate(order))
        for order in permutations(columns, worth.shape[0])
    )


@given(similarities, gates)
def test_every_row_and_column_stands_in_exactly_one_place(similarity: Floats, gate: float) -> None:
    matches = match(similarity, gate)
    rows = sorted([row for row, _ in matches.pairs] + list(matches.free_rows))
    columns = sorted([column for _, column in matches.pairs] + list(matches.free_columns))
    assert rows == list(range(similarity.shape[0]))
    assert columns == list(range(similarity.shape[1]))


@given(similarities, gates)
def test_no_pair_is_below_the_gate(similarity: Floats, gate: float) -> None:
    assert all(similarity[pair] >= gate for pair in match(similarity, gate).pairs)


@given(similarities, gates)
def test_no_other_matching_is_better(similarity: Floats, gate: float) -> None:
    found = sum(float(similarity[pair]) for pair in match(similarity, gate).pairs)
    np.testing.assert_allclose(found, best_sum(similarity, gate), atol=1e-5)


def test_a_forbidden_pair_does_not_push_an_allowed_one_aside() -> None:
    similarity = np.array([[0.5, 0.29], [0.29, 0.0]], np.float32)
    assert match(similarity, 0.3).pairs == ((0, 0),)


def test_the_input_is_left_alone() -> None:
    similarity = np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)
    match(similarity, 0.5)
    np.testing.assert_array_equal(similarity, np.array([[0.9, 0.1], [0.1, 0.9]], np.float32))
