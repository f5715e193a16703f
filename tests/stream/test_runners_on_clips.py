"""Real clips through a real engine and the real tracker: both runners write the same lines."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.engine import Engine
from engines.estimator import OnePassEstimator
from engines.open_engine import open_engine
from engines.zoo_models import find_model
from stream.clock import SystemClock
from stream.commands.open_parts import new_tracker
from stream.ingest.open_source import open_source
from stream.inline import run_inline
from stream.pipeline import Run, RunEnd, Selection, StopRequest
from stream.run_statistics import RunStatistics
from stream.sinks.jsonl_sink import JsonlSink
from stream.worker import run_concurrent
from tests.shared_clips import SHARED_CLIPS

pytestmark = pytest.mark.slow

SOME_CLIPS = (
    "park_walk_sidecam_vp9",
    "store_aisle_480x270_h264",
    "street_static_vtest_h265_200f",
)
FRAMES = 40
SHORT_FRAMES = 24
"""Of every clip, with the model that ships."""
EMPTY_AT_FIRST = {"one_by_one_persons_h264"}


@pytest.fixture(scope="module")
def engines_open() -> Iterator[Callable[[Artefact], EngineFactory]]:
    """One engine for each canvas, which all runs share: opening one takes a second."""
    with ExitStack() as close_last:

        @cache
        def opened(folder: Path, canvas: tuple[int, int]) -> Engine:
            engine = open_engine(find_model(str(folder)), canvas=canvas, threads=1)
            close_last.callback(engine.close)
            return engine

        yield lambda artefact: lambda canvas: opened(artefact.folder, canvas)


class Runners:
    """Runs one clip by each runner into a file."""

    def __init__(self, artefact: Artefact, engine: EngineFactory, folder: Path) -> None:
        self._artefact = artefact
        self._engine = engine
        self._folder = folder

    def lines(self, clip: Path, *, batch: int, frames: int) -> tuple[bytes, bytes]:
        """What inline and concurrent runner write."""
        selection = Selection(stride=2, max_frames=frames)
        inline, concurrent = (
            self._written(runner, clip, batch, selection) for runner in (run_inline, run_concurrent)
        )
        return inline, concurrent

    def _written(
        self, runner: Callable[[Run], RunEnd], clip: Path, batch: int, selection: Selection
    ) -> bytes:
        clock, out = SystemClock(), self._folder / f"{runner.__name__}.jsonl"
        run = Run(
            source=open_source(str(clip), stream=clip.stem, clock=clock),
            # Not closed: that would close the engine, which others need.
            estimator=OnePassEstimator(self._artefact, self._engine, clock=clock, batch_size=batch),
            # With smoothing, so that more of the past shows in every line.
            new_tracker=lambda: new_tracker(self._artefact.manifest, smooth=True),
            sink=JsonlSink(out),
            observer=RunStatistics(clock),
            clock=clock,
            stop=StopRequest(),
            selection=selection,
        )
        assert runner(run) is RunEnd.COMPLETED
        return out.read_bytes()


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("clip", SOME_CLIPS)
def test_both_runners_write_the_same_lines_for_a_clip(
    clip: str,
    batch: int,
    shared_data: Path,
    tiny_artefact: Artefact,
    engines_open: Callable[[Artefact], EngineFactory],
    tmp_path: Path,
) -> None:
    runners = Runners(tiny_artefact, engines_open(tiny_artefact), tmp_path)
    path = shared_data / "videos" / f"{clip}.mp4"

    inline, concurrent = runners.lines(path, batch=batch, frames=FRAMES)

    assert inline.count(b"\n") == FRAMES
    assert b'"poses":[{' in inline
    assert concurrent == inline


@pytest.mark.slow
@pytest.mark.parametrize("clip", SHARED_CLIPS)
def test_both_runners_write_the_same_lines_for_every_clip_with_the_model_that_ships(
    clip: str,
    shared_data: Path,
    engines_open: Callable[[Artefact], EngineFactory],
    tmp_path: Path,
) -> None:
    artefact = find_model("bottom_up")
    runners = Runners(artefact, engines_open(artefact), tmp_path)

    inline, concurrent = runners.lines(
        shared_data / "videos" / f"{clip}.mp4", batch=3, frames=SHORT_FRAMES
    )

    assert inline.count(b"\n") == SHORT_FRAMES
    assert (b'"poses":[{' in inline) is (clip not in EMPTY_AT_FIRST)
    assert concurrent == inline
