"""Tiny models behind one another, and pictures whose people they are right to find."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact
from engines.canvas_stage import EngineFactory
from engines.cascade.estimator import CascadeEstimator
from engines.cascade.models import CascadeModels
from engines.cascade.settings import CascadeSettings, CascadeWatch
from engines.crop_stage import CROP_BATCHES
from engines.engine import Engine, Precision
from engines.engine_options import EngineOptions
from engines.open_engine import EngineName, open_engine
from stream.clock import Clock, ManualClock
from stream.frame import Frame
from stream.picture import picture_from_rgb
from tests.tiny_detector import REACH_X, REACH_Y, write_tiny_detector
from tests.tiny_model import OFFSETS_PX, draw_people, write_tiny_artefact
from tests.tiny_top_down import CROP, write_tiny_top_down

WIDTH, HEIGHT = 160, 96
"""One of the tiny models' canvases: nothing is scaled."""
FPS = 25
SHRINK = max(2 * REACH_X, 2 * REACH_Y * CROP[0] / CROP[1]) * 1.25 / CROP[0]
"""The detector's boxes are smaller than the crop: the tiny pose shrinks by as much."""
Spots = dict[tuple[int, int], int]
"""Grey levels of bright squares by place: each is a person."""
TWO_PEOPLE: Spots = {(40, 44): 255, (118, 52): 230}


def tiny_models(folder: Path) -> dict[str, Artefact]:
    """All four stages, by stage."""
    return {
        "one_pass": write_tiny_artefact(folder / "tiny"),
        "detector": write_tiny_detector(folder / "tiny_detector"),
        "top_down": write_tiny_top_down(folder / "tiny_top_down"),
        "refiner": write_tiny_top_down(folder / "tiny_refiner", "refiner"),
    }


def cascade_of(models: dict[str, Artefact], *stages: str) -> CascadeModels:
    return CascadeModels(tuple(models[stage] for stage in stages))


def opener(artefact: Artefact) -> EngineFactory:
    batches = (1,) if artefact.manifest.stage in ("one_pass", "detector") else CROP_BATCHES

    def make_engine(canvas: tuple[int, int]) -> Engine:
        return open_engine(
            artefact,
            engine=EngineName.ONNXRUNTIME,
            canvas=canvas,
            threads=1,
            precision=Precision.FP32,
            options=EngineOptions(batches),
        )

    return make_engine


def estimator(
    models: CascadeModels,
    *,
    settings: CascadeSettings | None = None,
    watch: CascadeWatch | None = None,
    clock: Clock | None = None,
    opens: Callable[[Artefact], EngineFactory] = opener,
) -> CascadeEstimator:
    return CascadeEstimator(
        models,
        opens,
        clock=clock or ManualClock(),
        settings=settings or CascadeSettings(),
        watch=watch or CascadeWatch(),
    )


def frame(
    spots: Spots, index: int = 0, stream: str = "door", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Frame:
    picture = picture_from_rgb(draw_people(*size, spots))
    return Frame(stream, 0, index, index / FPS, 0.0, picture)


def joints_at(places: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """(N, 17, 2) joints of the people that a detector and the tiny top-down model find there."""
    middles = np.array(places, np.float32).reshape(-1, 1, 2)
    return (OFFSETS_PX * SHRINK + middles).astype(np.float32)
