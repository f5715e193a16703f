"""NAL units, the pieces of an H.264 or H.265 stream (ITU-T H.264 and H.265, clause 7.4)."""

from enum import Enum

_START_CODE = b"\0\0\1"


class VideoCodec(Enum):
    """What the camera can send; the value is the name in SDP (RFC 6184, RFC 7798)."""

    H264 = "H264"
    H265 = "H265"

    @property
    def in_words(self) -> str:
        """As people write it."""
        return f"{self.value[0]}.{self.value[1:]}"


PARAMETER_SETS = {VideoCodec.H264: (7, 8), VideoCodec.H265: (32, 33, 34)}
"""Types of the units that a decoder needs first: (video,) sequence and picture parameter sets."""


def split_annex_b(stream: bytes) -> list[bytes]:
    """The NAL units between the start codes, without them (Annex B of both standards)."""
    # A unit never ends with a zero byte; zeros there belong to the next start code.
    units = (part.rstrip(b"\0") for part in stream.split(_START_CODE)[1:])
    return [unit for unit in units if unit]


def nal_type(codec: VideoCodec, unit: bytes) -> int:
    """Type number from the header of a NAL unit, or of an RTP payload, which has the same."""
    return unit[0] & 0x1F if codec is VideoCodec.H264 else unit[0] >> 1 & 0x3F


def is_parameter_set(codec: VideoCodec, unit: bytes) -> bool:
    """Whether a decoder needs it before any picture."""
    return nal_type(codec, unit) in PARAMETER_SETS[codec]


def is_slice(codec: VideoCodec, unit: bytes) -> bool:
    """Whether it holds a part of a picture."""
    kind = nal_type(codec, unit)
    return 1 <= kind <= 5 if codec is VideoCodec.H264 else kind < 32
