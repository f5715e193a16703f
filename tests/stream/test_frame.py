import pytest

from stream.errors import PoseError
from stream.frame import Frame, FrameResult, Outcome
from tests.results import result_of, standing_person
from tests.run_parts import small_frame, small_picture


@pytest.mark.parametrize(("stream", "epoch", "index"), [("", 0, 0), ("a", -1, 0), ("a", 0, -1)])
def test_a_frame_without_a_name_is_refused(stream: str, epoch: int, index: int) -> None:
    with pytest.raises(PoseError, match="needs a stream and numbers from 0"):
        Frame(stream, epoch, index, 0.0, 0.0, small_picture())


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.INFERRED}))
def test_a_frame_that_was_not_inferred_has_nobody(outcome: Outcome) -> None:
    with pytest.raises(PoseError, match=f"outcome {outcome} cannot carry poses"):
        result_of(0, standing_person(), outcome=outcome)
    assert FrameResult(small_frame(0), outcome, "none").poses == ()


def test_an_inferred_frame_may_be_empty_or_carry_people() -> None:
    assert result_of(0).poses == ()
    assert len(result_of(0, standing_person(1), standing_person(2)).poses) == 2


def test_outcomes_are_the_words_of_the_results() -> None:
    words = {"inferred", "skipped", "dropped", "corrupt", "failed"}
    assert {outcome.value for outcome in Outcome} == words
