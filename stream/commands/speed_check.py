"""How fast this machine decodes and infers: a few seconds of work on a clip drawn for it."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from engines.zoo_models import find_model
from stream.clock import Clock
from stream.commands.app import DEFAULT_MODEL
from stream.frame import Frame, FrameResult, Outcome
from stream.ingest.open_source import open_source
from stream.picture import picture_from_rgb
from stream.sinks.annotated_video_sink import AnnotatedVideoSink

WIDTH, HEIGHT, FRAMES, FPS = 1280, 720, 25, 25
SECONDS = 2.0
"""Of measuring, each."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second, and of what."""

    frames_per_second: float
    what: str

    @property
    def in_words(self) -> str:
        """For the table."""
        return f"{self.frames_per_second:.0f} frames/s: {self.what}"


def decode_speed(clock: Clock) -> Speed:
    """Decodes H.264 of 1280x720.

    Raises:
        PoseStreamError: if a clip cannot be written or read here.
    """
    with TemporaryDirectory() as folder:
        clip = draw_clip(Path(folder))
        with closing(_endless(clip, clock)) as frames:
            rate = _rate(lambda: next(frames), clock)
    return Speed(rate, f"H.264 {WIDTH}x{HEIGHT}, no people searched")


def model_speed(clock: Clock) -> Speed:
    """Runs the default model on the best engine.

    Raises:
        PoseStreamError: if the model or no engine can be opened.
    """
    artefact = find_model(DEFAULT_MODEL)
    estimator = OnePassEstimator(
        artefact, lambda canvas: open_engine(artefact, canvas=canvas), clock=clock
    )
    with closing(estimator):
        spec = estimator.prepare(WIDTH, HEIGHT)
        frames = cycle(list(drawn_frames()))
        rate = _rate(lambda: estimator.estimate([next(frames)]), clock)
    return Speed(rate, f"{spec.model} on {spec.engine}, {spec.precision}, {spec.threads} threads")


def draw_clip(folder: Path) -> Path:
    """Writes a second of video into the folder."""
    path = folder / "drawn.mp4"
    sink = AnnotatedVideoSink(path)
    for frame in drawn_frames():
        sink.publish(FrameResult(frame, Outcome.INFERRED, "none"))
    sink.close()
    return path


def drawn_frames() -> Iterator[Frame]:
    """A second of a pattern that moves, with fine grain as a camera has it."""
    grain = np.random.default_rng(0).integers(0, 24, (HEIGHT, WIDTH, 3), np.uint8)
    ramp = np.linspace(0, 200, WIDTH, dtype=np.uint8)[None, :, None]
    for index in range(FRAMES):
        rgb = np.roll(ramp, 12 * index, axis=1) + np.roll(grain, index, axis=0)
        yield Frame("drawn", 0, index, index / FPS, 0.0, picture_from_rgb(rgb))


def _endless(clip: Path, clock: Clock) -> Generator[Frame, None, None]:
    while True:
        with closing(open_source(str(clip), stream="drawn", clock=clock)) as source:
            yield from source.frames()


def _rate(work: Callable[[], object], clock: Clock) -> float:
    """Calls a second, after one call that does not count."""
    work()
    count, start = 0, clock.monotonic()
    while (elapsed := clock.monotonic() - start) < SECONDS:
        work()
        count += 1
    return count / elapsed
