from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.playback import looped
from tests.camera_clips import FRAME_SECONDS, made_up_clip


@given(frames=st.integers(1, 7), taken=st.integers(2, 40), due=st.floats(0, 1e5))
def test_round_after_round_the_clock_goes_on_by_one_frame(
    frames: int, taken: int, due: float
) -> None:
    moments = list(islice(looped(made_up_clip(frames=frames), due, 7.0), taken))
    steps = [later.due_seconds - earlier.due_seconds for earlier, later in pairwise(moments)]
    assert steps == pytest.approx([FRAME_SECONDS] * len(steps))
    assert [moment.is_key for moment in moments] == [place % frames == 0 for place in range(taken)]
    assert moments[0].due_seconds == due
    assert all(
        moment.media_seconds - 7.0 == pytest.approx(moment.due_seconds - due) for moment in moments
    )
