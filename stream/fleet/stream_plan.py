"""What a fleet is to do with one stream."""

from dataclasses import dataclass

from stream.ingest.decode_ladder import DecodeWish
from stream.ingest.video_address import VideoAddress
from stream.site_file.patience import Patience


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream; two plans that are equal ask for the same."""

    name: str
    address: VideoAddress
    patience: Patience
    model: str
    max_pixels: int
    decode: DecodeWish = DecodeWish.AUTO
    max_fps: float | None = None
    target_age_seconds: float = 0.25
    paused: bool = False
    is_extra: bool = False
    """Added while the daemon runs: what a site file does not name, it does not remove."""
