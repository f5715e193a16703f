"""Opens whatever the user named as a source."""

import re
import stat
from pathlib import Path

from stream.clock import Clock
from stream.errors import ConfigError, SourceError
from stream.ingest.demo_clip import find_demo_clip
from stream.ingest.laddered_reader import DecodeOptions
from stream.ingest.picture_folder import PictureFolder
from stream.ingest.pyav_source import PyavSource
from stream.ingest.source import Source
from stream.ingest.source_url import NETWORK_SCHEMES, parse_source_url, shown_url
from stream.ingest.video_address import VideoAddress, file_address, url_address, webcam_address

DEMO = "demo"
MAX_PIXELS = 32_000_000
"""8000 x 4000."""
PICTURE_FPS = 25.0
_WEBCAM = re.compile(r"webcam:(?P<number>\d{1,3})|/dev/(?P<device>video\d{1,3})")


def open_source(
    location: str,
    *,
    stream: str,
    clock: Clock,
    max_pixels: int = MAX_PIXELS,
    picture_fps: float = PICTURE_FPS,
    decode: DecodeOptions | None = None,
) -> Source:
    """Opens a source and decodes its first frame.

    Args:
        location: a video file, a folder of pictures, an address (rtsp, rtsps, http, https), a
            webcam (`/dev/video0` or `webcam:0`), or `demo`.
        stream: name of the stream its frames belong to.
        clock: gives the capture times.
        max_pixels: larger pictures are refused.
        picture_fps: rate at which a folder of pictures plays.
        decode: what decodes videos; None takes the usual. Pictures are read by the processor.

    Raises:
        SourceError: if no frame can be read from it.
        ConfigError: if the address or a number makes no sense.
    """
    if max_pixels < 1 or not 0 < picture_fps < float("inf"):
        raise ConfigError(
            f"reading needs 1 or more pixels and a rate above 0, got {max_pixels} and {picture_fps}"
        )
    place = _place(location)
    if isinstance(place, Path):
        return PictureFolder(
            place, stream=stream, clock=clock, fps=picture_fps, max_pixels=max_pixels
        )
    return PyavSource(
        place,
        stream=stream,
        clock=clock,
        max_pixels=max_pixels,
        decode=decode or DecodeOptions(),
    )


def _place(location: str) -> VideoAddress | Path:
    """What to open; a path is a folder of pictures."""
    if "://" in location:
        return _network(location)
    if webcam := _WEBCAM.fullmatch(location):
        return _webcam(Path("/dev", webcam["device"] or f"video{webcam['number']}"))
    path = find_demo_clip() if location == DEMO else Path(location)
    return path if _is_folder(path) else file_address(path)


def _network(location: str) -> VideoAddress:
    scheme = location.partition("://")[0].lower()
    if scheme not in NETWORK_SCHEMES:
        raise ConfigError(
            f"source {shown_url(location)}: {scheme}:// is not read; expected "
            f"{', '.join(NETWORK_SCHEMES)}, or a file without scheme://"
        )
    return url_address(parse_source_url(location))


def _webcam(device: Path) -> VideoAddress:
    if not device.exists():
        there = ", ".join(sorted(str(path) for path in device.parent.glob("video*"))) or "none"
        raise SourceError(f"webcam {device}: not on this machine; there is {there}")
    return webcam_address(device)


def _is_folder(path: Path) -> bool:
    """Whether it is a folder; refuses what is not there, and a file with nothing in it."""
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; check the name of the file") from error
    if stat.S_ISREG(status.st_mode) and not status.st_size:
        raise SourceError(f"{path}: the file is empty; get a whole copy")
    return stat.S_ISDIR(status.st_mode)
