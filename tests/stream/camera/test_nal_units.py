import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.nal_units import (
    VideoCodec,
    is_parameter_set,
    is_slice,
    nal_type,
    split_annex_b,
)

START_CODES = (b"\0\0\1", b"\0\0\0\1")
UNITS = st.binary(min_size=1).filter(lambda unit: b"\0\0" not in unit and not unit.endswith(b"\0"))
"""The standards keep two zeros in a row out of a unit, and zeros off its end."""


@given(st.lists(st.tuples(st.sampled_from(START_CODES), UNITS)))
def test_what_start_codes_join_is_split_again(coded: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(code + unit for code, unit in coded)
    assert split_annex_b(stream) == [unit for _, unit in coded]


@given(st.binary())
def test_any_bytes_split_into_units_without_start_codes(stream: bytes) -> None:
    units = split_annex_b(stream)
    assert all(unit and b"\0\0\1" not in unit for unit in units)


@pytest.mark.parametrize(
    ("codec", "header", "kind", "parameters", "picture"),
    [
        (VideoCodec.H264, "67", 7, True, False),
        (VideoCodec.H264, "68", 8, True, False),
        (VideoCodec.H264, "65", 5, False, True),
        (VideoCodec.H264, "41", 1, False, True),
        (VideoCodec.H264, "06", 6, False, False),
        (VideoCodec.H265, "4001", 32, True, False),
        (VideoCodec.H265, "4401", 34, True, False),
        (VideoCodec.H265, "2601", 19, False, True),
        (VideoCodec.H265, "4e01", 39, False, False),
    ],
)
def test_units_are_told_apart_by_their_header(
    codec: VideoCodec, header: str, kind: int, parameters: bool, picture: bool
) -> None:
    unit = bytes.fromhex(header)
    assert nal_type(codec, unit) == kind
    assert is_parameter_set(codec, unit) is parameters
    assert is_slice(codec, unit) is picture
