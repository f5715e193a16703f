import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.camera.nal_units import VideoCodec, is_slice
from stream.camera.rtp_payloads import MIN_PAYLOAD_BYTES, is_slice_payload, payloads_of
from tests.rtp_receiver import units_of

CODECS = st.sampled_from(VideoCodec)
LIMITS = st.integers(MIN_PAYLOAD_BYTES, 60)


@st.composite
def units(draw: st.DrawFn, codec: VideoCodec) -> bytes:
    """A NAL unit of a type that is not one of RTP's own."""
    body = draw(st.binary(min_size=1, max_size=300))
    if codec is VideoCodec.H264:
        return bytes([draw(st.integers(0, 3)) << 5 | draw(st.integers(1, 23))]) + body
    kind, layer, temporal = (draw(st.integers(0, most)) for most in (47, 63, 6))
    return ((kind << 9) | (layer << 3) | (temporal + 1)).to_bytes(2) + body


@given(st.data(), CODECS, LIMITS)
def test_a_receiver_puts_the_same_units_together(
    data: st.DataObject, codec: VideoCodec, limit: int
) -> None:
    originals = data.draw(st.lists(units(codec)))
    payloads = [part for unit in originals for part in payloads_of(codec, unit, limit)]
    assert units_of(codec, payloads) == originals
    assert all(len(payload) <= limit for payload in payloads)


@given(st.data(), CODECS, LIMITS)
def test_no_more_payloads_than_needed(data: st.DataObject, codec: VideoCodec, limit: int) -> None:
    unit = data.draw(units(codec))
    header = 1 if codec is VideoCodec.H264 else 2
    parts = payloads_of(codec, unit, limit)
    fits = len(unit) <= limit
    assert len(parts) == (1 if fits else -(-(len(unit) - header) // (limit - header - 1)))


@given(st.data(), CODECS, LIMITS)
def test_every_payload_of_a_slice_is_known_as_one(
    data: st.DataObject, codec: VideoCodec, limit: int
) -> None:
    unit = data.draw(units(codec))
    expected = is_slice(codec, unit)
    assert {is_slice_payload(codec, part) for part in payloads_of(codec, unit, limit)} == {expected}


@pytest.mark.parametrize(("unit", "limit"), [(b"", 100), (b"\x40", 100), (b"\x40\x01", 3)])
def test_no_room_and_no_header_are_refused(unit: bytes, limit: int) -> None:
    with pytest.raises(ValueError, match="payloads need at least 4 bytes"):
        payloads_of(VideoCodec.H265, unit, limit)
