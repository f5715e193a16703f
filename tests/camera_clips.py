"""Clips for the camera that no encoder made: the smallest that are valid."""

from stream.camera.clip import AccessUnit, Clip
from stream.camera.nal_units import VideoCodec

PARAMETER_SETS = {
    VideoCodec.H264: (b"\x67\x42\xc0\x1e\x05", b"\x68\xce"),
    VideoCodec.H265: (b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"),
}
SLICES = {
    VideoCodec.H264: (b"\x65" + bytes(range(40)), b"\x41" + bytes(range(20))),
    VideoCodec.H265: (b"\x26\x01" + bytes(range(40)), b"\x02\x01" + bytes(range(20))),
}
"""Of a key picture, of another one."""
FRAME_SECONDS = 0.04


def made_up_clip(
    codec: VideoCodec = VideoCodec.H264, frames: int = 5, name: str = "made_up"
) -> Clip:
    """One key frame, then others; 25 frames a second."""
    key, other = SLICES[codec]
    units = [AccessUnit(0.0, 0.0, (*PARAMETER_SETS[codec], key), is_key=True)]
    units += [
        AccessUnit(index * FRAME_SECONDS, 0.0, (other, other), is_key=False)
        for index in range(1, frames)
    ]
    return Clip(name, codec, 64, 48, PARAMETER_SETS[codec], tuple(units), frames * FRAME_SECONDS)
