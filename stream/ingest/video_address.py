"""What FFmpeg is told to open, and what it may open besides."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from stream.ingest.source_url import SourceUrl

OPEN_SECONDS = 10.0
READ_SECONDS = 5.0
"""Of silence; FFmpeg gives up after twice as long (it first asks once more)."""


class Transport(StrEnum):
    """How the packets of an RTSP camera come."""

    TCP = "tcp"
    UDP = "udp"
    AUTO = "auto"
    """UDP only if the camera has no TCP: a lost datagram smears the picture until a key frame."""


_TRANSPORTS = {
    Transport.TCP: ("rtsp_transport", "tcp"),
    Transport.UDP: ("rtsp_transport", "udp"),
    Transport.AUTO: ("rtsp_flags", "prefer_tcp"),
}
_RTSP = {
    "allowed_media_types": "video",
    # The first frame after 0.07 s instead of 0.95 s, and no burst of frames that waited meanwhile.
    "fpsprobesize": "0",
    "probesize": "32768",
}
_RTSP_PROTOCOLS = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"


@dataclass(frozen=True, slots=True)
class VideoAddress:
    """One thing to open."""

    address: str = field(repr=False)
    """For FFmpeg; may hold a login."""
    shown: str
    """What messages say."""
    protocols: str
    """FFmpeg's protocol whitelist: a playlist must not make it open anything else."""
    is_live: bool = False
    format: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    open_seconds: float = OPEN_SECONDS
    """A live source must answer within so long, step by step."""
    read_seconds: float = READ_SECONDS
    """A live source that is silent for twice as long is lost."""


def file_address(path: Path) -> VideoAddress:
    """A video file or a picture."""
    # `file:` keeps a colon in the name from being a protocol, `none` a % from being a pattern.
    return VideoAddress(
        f"file:{path}", str(path), protocols="file", options=(("pattern_type", "none"),)
    )


def url_address(url: SourceUrl, transport: Transport = Transport.AUTO) -> VideoAddress:
    """A network source; the transport matters for RTSP only."""
    is_rtsp = url.scheme.startswith("rtsp")
    return VideoAddress(
        url.address,
        url.shown,
        protocols=_RTSP_PROTOCOLS if is_rtsp else _HTTP_PROTOCOLS,
        is_live=True,
        options=(_TRANSPORTS[transport], *_RTSP.items()) if is_rtsp else (),
    )


def webcam_address(device: Path) -> VideoAddress:
    """A camera of this machine (Video4Linux)."""
    return VideoAddress(str(device), str(device), protocols="file", is_live=True, format="v4l2")
