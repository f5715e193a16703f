"""Reads sources to their end, for tests."""

from contextlib import closing
from pathlib import Path
from typing import Any

from stream.clock import ManualClock
from stream.frame import Frame
from stream.ingest.open_source import open_source
from tests.media import number_in


def read_all(location: Path | str, **settings: Any) -> list[Frame]:
    """Every frame of a source of stream `clip`; what they show stays valid after it is closed."""
    with closing(
        open_source(str(location), stream="clip", clock=ManualClock(), **settings)
    ) as source:
        return list(source.frames())


def numbers(frames: list[Frame]) -> list[int]:
    """What the frames of `tests/media.py` carry in their pixels."""
    return [number_in(frame.picture) for frame in frames]


def times(frames: list[Frame]) -> list[float]:
    """When each is shown."""
    return [frame.pts_seconds for frame in frames]
