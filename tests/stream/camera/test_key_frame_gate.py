from hypothesis import given
from hypothesis import strategies as st

from stream.camera.key_frame_gate import MAX_BACKLOG_BYTES, KeyFrameGate

STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from([0, MAX_BACKLOG_BYTES + 1])))


@given(STEPS)
def test_after_a_gap_the_first_picture_is_a_key_frame(steps: list[tuple[bool, int]]) -> None:
    gate = KeyFrameGate()
    before = True
    for is_key, backlog in steps:
        admitted = gate.admits(is_key=is_key, backlog_bytes=backlog)
        assert not (admitted and backlog)
        assert not (admitted and not before and not is_key)
        before = admitted


@given(STEPS)
def test_what_is_not_admitted_is_counted(steps: list[tuple[bool, int]]) -> None:
    gate = KeyFrameGate()
    admitted = [gate.admits(is_key=is_key, backlog_bytes=backlog) for is_key, backlog in steps]
    assert gate.skipped == admitted.count(False)
