"""A clip as an endless sequence of moments, round after round on one clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from stream.camera.clip import Clip
from stream.camera.nal_units import VideoCodec


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One access unit with its times in one client's playback."""

    due_seconds: float
    """When to send it, since the client began to play."""
    media_seconds: float
    """What the media clock shows then; differs from `due_seconds` only after a time jump."""
    delay_seconds: float
    """From `media_seconds` to its presentation."""
    codec: VideoCodec
    payloads: tuple[bytes | None, ...]
    """None is a packet that is lost on its way."""
    is_key: bool

    @property
    def presentation_seconds(self) -> float:
        """On the media clock."""
        return self.media_seconds + self.delay_seconds


def looped(clip: Clip, due_seconds: float = 0.0, media_seconds: float = 0.0) -> Iterator[Moment]:
    """The clip again and again without end; the first unit has the times given."""
    for turn in count():
        for unit in clip.units:
            passed = turn * clip.loop_seconds + unit.decode_seconds
            yield Moment(
                due_seconds + passed,
                media_seconds + passed,
                unit.delay_seconds,
                clip.codec,
                unit.payloads,
                unit.is_key,
            )
