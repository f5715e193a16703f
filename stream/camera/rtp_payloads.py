"""NAL units as RTP payloads: whole ones, and fragments of those that do not fit a packet.

H.264: RFC 6184, non-interleaved mode, single NAL unit packets (5.6) and FU-A (5.8).
H.265: RFC 7798, single NAL unit packets (4.4.1) and fragmentation units (4.4.3).
"""

from stream.camera.nal_units import VideoCodec, is_slice, nal_type

H264_FRAGMENT = 28
H265_FRAGMENT = 49
_START, _END = 0x80, 0x40
MIN_PAYLOAD_BYTES = 4
"""Room for the longest header of a fragment and one byte of content."""


def payloads_of(codec: VideoCodec, unit: bytes, limit: int) -> list[bytes]:
    """One NAL unit as payloads of at most `limit` bytes.

    Raises:
        ValueError: if `limit` leaves no room, or the unit has no whole header.
    """
    header_bytes = 1 if codec is VideoCodec.H264 else 2
    if limit < MIN_PAYLOAD_BYTES or len(unit) < header_bytes:
        raise ValueError(
            f"payloads need at least {MIN_PAYLOAD_BYTES} bytes and a unit {header_bytes}, "
            f"got {limit} and {len(unit)}"
        )
    if len(unit) <= limit:
        return [unit]
    body = unit[header_bytes:]
    room = limit - header_bytes - 1
    starts = range(0, len(body), room)
    return [
        _fragment_header(codec, unit, start == 0, start == starts[-1]) + body[start : start + room]
        for start in starts
    ]


def is_slice_payload(codec: VideoCodec, payload: bytes) -> bool:
    """Whether it holds a part of a picture, whole or as a fragment."""
    if codec is VideoCodec.H264 and nal_type(codec, payload) == H264_FRAGMENT:
        return is_slice(codec, payload[1:])
    if codec is VideoCodec.H265 and nal_type(codec, payload) == H265_FRAGMENT:
        return payload[2] & 0x3F < 32
    return is_slice(codec, payload)


def _fragment_header(codec: VideoCodec, unit: bytes, first: bool, last: bool) -> bytes:  # noqa: FBT001 - bits of the header
    mark = (_START if first else 0) | (_END if last else 0) | nal_type(codec, unit)
    if codec is VideoCodec.H264:
        return bytes([unit[0] & 0xE0 | H264_FRAGMENT, mark])
    return bytes([unit[0] & 0x81 | H265_FRAGMENT << 1, unit[1], mark])
