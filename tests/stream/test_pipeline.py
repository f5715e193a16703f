import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ConfigError
from stream.frame import Outcome
from stream.pipeline import MAX_GROUP_ENTRIES, Entry, Grouper, Selection
from tests.run_parts import small_frame


@pytest.mark.parametrize(
    ("stride", "index", "damaged", "outcome"),
    [
        (1, 7, False, None),
        (3, 0, False, None),
        (3, 1, False, Outcome.SKIPPED),
        (3, 3, False, None),
        (3, 3, True, Outcome.CORRUPT),
        (3, 4, True, Outcome.CORRUPT),
    ],
)
def test_a_frame_is_inferred_if_it_is_whole_and_on_the_stride(
    stride: int, index: int, damaged: bool, outcome: Outcome | None
) -> None:
    frame = small_frame(index, damaged=damaged)

    assert Selection(stride).outcome(frame) is outcome


@pytest.mark.parametrize(("stride", "max_frames"), [(0, None), (-1, None), (1, 0)])
def test_a_selection_of_nothing_is_refused(stride: int, max_frames: int | None) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        Selection(stride, max_frames)


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=120))
def test_groups_hold_all_entries_in_order_and_never_more_than_a_batch(
    batch_size: int, inferred: list[bool]
) -> None:
    entries = [
        Entry(small_frame(index), None if wanted else Outcome.SKIPPED)
        for index, wanted in enumerate(inferred)
    ]
    grouper = Grouper(batch_size, float("inf"))

    groups = [grouper.offer(entry, 0.0) for entry in entries] + [grouper.flush()]
    made = [group for group in groups if group is not None]

    assert [entry for group in made for entry in group] == entries
    for group in made:
        assert sum(entry.outcome is None for entry in group) <= batch_size
        assert len(group) <= MAX_GROUP_ENTRIES


def test_a_live_frame_waits_no_longer_than_its_limit_for_a_full_batch() -> None:
    grouper = Grouper(4, 0.02)

    assert grouper.due_seconds() is None
    assert grouper.offer(Entry(small_frame(0)), 10.0) is None
    assert grouper.due_seconds() == pytest.approx(10.02)
    assert grouper.poll(10.01) is None
    assert len(grouper.poll(10.02) or ()) == 1
    assert grouper.due_seconds() is None
