import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import PoseError
from stream.wire import ResultLine, encode
from stream.wire_gap import FrameMark, GapLine, decode_delivered, encode_gap, gap_schema
from tests.results import result_of

MARKS = st.one_of(
    st.none(),
    st.builds(
        FrameMark,
        epoch=st.integers(0, 2**32 - 1),
        frame=st.integers(0, 2**40),
        captured_ms=st.integers(-(2**40), 2**50),
    ),
)


@given(st.text(min_size=1), st.integers(1, 2**60), MARKS, MARKS)
def test_a_gap_is_read_as_it_was_written(
    stream: str, missing: int, after: FrameMark | None, before: FrameMark | None
) -> None:
    line = encode_gap(stream, missing, after, before)
    jsonschema.validate(json.loads(line), gap_schema())
    assert line.isascii()
    assert decode_delivered(line) == GapLine(
        schema=1, gap=missing, stream=stream, after=after, before=before
    )


def test_a_result_is_told_from_a_gap() -> None:
    assert isinstance(decode_delivered(encode(result_of(3))), ResultLine)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"schema":1,"gap":0,"stream":"a","after":null,"before":null}', "no gap .*'gap'"),
        ('{"schema":1,"gap":"x"', "line 7 is no gap"),
        ("", "line 7 is not a result"),
        ('{"gap":1}', "line 7 is not a result"),
    ],
)
def test_another_line_is_refused_with_its_number(line: str, fault: str) -> None:
    with pytest.raises(PoseError, match=fault):
        decode_delivered(line, number=7)


def test_the_schema_and_the_reader_ask_for_the_same_fields() -> None:
    assert set(gap_schema()["required"]) == {
        field.alias or name for name, field in GapLine.model_fields.items()
    }
