"""What a camera tells about a clip: session description (RFC 8866), H.264 or H.265 fields."""

from base64 import b64encode

from stream.camera.clip import Clip
from stream.camera.nal_units import VideoCodec, nal_type
from stream.camera.rtp_packets import CLOCK_RATE, PAYLOAD_TYPE

TRACK = "track0"
"""Name of the one track, relative to the address of the mount."""
_H265_FIELDS = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


def session_description(clip: Clip) -> str:
    """The text that answers DESCRIBE."""
    lines = (
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=posestream camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=0-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {clip.codec.value}/{CLOCK_RATE}",
        f"a=fmtp:{PAYLOAD_TYPE} {_format_fields(clip)}",
        f"a=control:{TRACK}",
    )
    return "".join(f"{line}\r\n" for line in lines)


def _format_fields(clip: Clip) -> str:
    if clip.codec is VideoCodec.H264:
        return _h264_fields(clip.parameter_sets)
    return _h265_fields(clip.parameter_sets)


def _h264_fields(sets: tuple[bytes, ...]) -> str:
    """RFC 6184, 8.1; the profile and level are the three bytes after the SPS's header."""
    sps = next(unit for unit in sets if nal_type(VideoCodec.H264, unit) == 7)
    encoded = ",".join(_base64(unit) for unit in sets)
    level = sps[1:4].hex().upper()
    return f"packetization-mode=1;profile-level-id={level};sprop-parameter-sets={encoded}"


def _h265_fields(sets: tuple[bytes, ...]) -> str:
    """RFC 7798, 7.1; a kind with several sets lists them with commas."""
    fields = []
    for kind, name in _H265_FIELDS.items():
        found = [_base64(unit) for unit in sets if nal_type(VideoCodec.H265, unit) == kind]
        fields.append(f"{name}={','.join(found)}")
    return ";".join(fields)


def _base64(unit: bytes) -> str:
    return b64encode(unit).decode("ascii")
