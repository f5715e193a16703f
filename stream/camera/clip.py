"""A video file as the camera holds it: access units cut into RTP payloads."""

from dataclasses import dataclass

from stream.camera.nal_units import PARAMETER_SETS, VideoCodec, nal_type
from stream.errors import SourceError


@dataclass(frozen=True, slots=True, eq=False)
class AccessUnit:
    """One coded picture."""

    decode_seconds: float
    """When a decoder needs it, since the first unit of the clip."""
    delay_seconds: float
    """From then to its presentation; above 0 only in clips with B frames."""
    payloads: tuple[bytes, ...]
    is_key: bool
    """Decoding can start here."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A whole video, compressed, in memory. Its first unit is a key one."""

    name: str
    codec: VideoCodec
    width: int
    height: int
    parameter_sets: tuple[bytes, ...]
    """NAL units: SPS, PPS (H.264) or VPS, SPS, PPS (H.265)."""
    units: tuple[AccessUnit, ...]
    """In decoding order."""
    loop_seconds: float
    """From the first unit to the first unit of the next round."""

    def __post_init__(self) -> None:
        """Refuses a clip that cannot be played or described."""
        if not self.units or not self.units[0].is_key or self.loop_seconds <= 0:
            raise SourceError(f"{self.name}: no key frame to start playing at")
        kinds = {nal_type(self.codec, unit) for unit in self.parameter_sets}
        if kinds != set(PARAMETER_SETS[self.codec]):
            raise SourceError(f"{self.name}: {self.codec.in_words} without its parameter sets")

    @property
    def in_words(self) -> str:
        """For people who start the camera."""
        return (
            f"{self.codec.in_words} {self.width}x{self.height}, {len(self.units)} frames, "
            f"{self.loop_seconds:.1f} s"
        )
