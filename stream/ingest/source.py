"""The seam between the pipeline and wherever frames come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from stream.frame import Frame
from stream.ingest.decode_ladder import DecodeStep


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What is known before the first frame. The container's header may lie: None means unknown."""

    stream: str
    codec: str
    width: int
    """Of the upright picture, in pixels; a later frame may differ."""
    height: int
    is_live: bool
    frames_from_header: int | None = None
    duration_seconds_from_header: float | None = None
    fps_from_header: float | None = None


class Source(Protocol):
    """Decoded frames of one stream, in order. Iterated once, by one thread."""

    @property
    def description(self) -> SourceDescription:
        """What this source is."""
        ...

    @property
    def corrupt_packets(self) -> int:
        """Packets so far that no frame could be decoded from."""
        ...

    @property
    def decode_steps(self) -> tuple[DecodeStep, ...]:
        """Steps of the decode ladder that were left so far."""
        ...

    def frames(self) -> "Iterator[Frame]":
        """Yields frames until the source ends.

        Raises:
            SourceError: if the source breaks in a way that reading on cannot mend.
        """
        ...

    def close(self) -> None:
        """Frees the decoder; safe to call twice and from a `finally`."""
        ...
