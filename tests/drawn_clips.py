"""Clips whose people are known: bright squares for the model of `tests/tiny_model.py`."""

from pathlib import Path

from stream.frame import Frame, FrameResult, Outcome
from stream.picture import picture_from_rgb
from stream.sinks.annotated_video_sink import AnnotatedVideoSink
from tests.tiny_model import draw_people

WIDTH, HEIGHT, FPS = 128, 96, 25
GREY = 230


def person_at(index: int) -> tuple[int, int]:
    """Where the one person of a drawn clip is, in pixels: to and fro along a line."""
    return 20 + abs(index % 160 - 80), 50


def write_drawn_clip(path: Path, frames: int) -> Path:
    """An MP4 of one person who walks, at 25 frames a second."""
    sink = AnnotatedVideoSink(path)
    for index in range(frames):
        rgb = draw_people(WIDTH, HEIGHT, {person_at(index): GREY})
        frame = Frame("drawn", 0, index, index / FPS, 0.0, picture_from_rgb(rgb))
        sink.publish(FrameResult(frame, Outcome.INFERRED, "none"))
    sink.close()
    return path
