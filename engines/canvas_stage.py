"""Frames through a graph that takes canvases: letterbox, batches, engines; gives raw outputs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact, Manifest, StageName
from engines.engine import Engine, EngineSpec, Tensors
from engines.pending import Pending, submitted
from engines.preprocessing.device_frames import taken_planes
from stream.clock import Clock
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.geometry import Letterbox, best_canvas, letterbox
from stream.picture import draw_canvas

Canvas = tuple[int, int]
EngineFactory = Callable[[Canvas], Engine]
"""Opens the artefact's engine for a canvas (width, height)."""
Stage = Literal["pre", "infer", "post", "crop", "pose", "refine"]
Observer = Callable[[Stage, float], None]
"""Told the seconds that a batch spent in a stage."""


def observe_nothing(_stage: Stage, _seconds: float) -> None:
    """For callers who do not measure."""


@dataclass(frozen=True, slots=True, eq=False)
class CanvasBatch:
    """Frames of one canvas and what the graph says of them."""

    rows: tuple[int, ...]
    """Where the frames stand in the sequence that was asked for."""
    frames: tuple[Frame, ...]
    places: tuple[Letterbox, ...]
    outputs: Tensors

    def finite(self, name: str, model: str) -> NDArray[np.float32]:
        """An output as float32.

        Raises:
            EngineError: naming the frames for which it holds NaN or infinity.
        """
        values: NDArray[np.float32] = self.outputs[name].astype(np.float32)
        bad = [
            f"{frame.stream} epoch {frame.epoch} frame {frame.index}"
            for frame, value in zip(self.frames, values, strict=True)
            if not np.isfinite(value).all()
        ]
        if bad:
            raise EngineError(
                f"model {model} gave NaN or infinity in {name} for {', '.join(bad)}; "
                "try another precision or engine"
            )
        return values


@dataclass(frozen=True, slots=True, eq=False)
class PendingCanvases:
    """A `CanvasBatch` that is under way."""

    rows: tuple[int, ...]
    frames: tuple[Frame, ...]
    places: tuple[Letterbox, ...]
    outputs: Pending
    seconds: float
    """That it took to hand the canvases over; all of the work where nothing overlaps."""


class CanvasStage:
    """Runs a model on frames.

    Engines are opened when the first frame of their canvas comes, and live until `close`: there
    are never more than the manifest has canvases (some 70 MB each), so nothing needs to be evicted.

    Args:
        artefact: the model; picks the canvases.
        stage: what the model must be.
        make_engine: opens the model's engine for a canvas.
        clock: measures the stages.
        batch_size: frames in one call of an engine; more are split.
        observe: told the seconds of `pre` and `infer`, and of `post` while the caller decodes.

    Raises:
        ConfigError: if `batch_size` is below 1, or the model is of another stage.
    """

    def __init__(
        self,
        artefact: Artefact,
        stage: StageName,
        make_engine: EngineFactory,
        *,
        clock: Clock,
        batch_size: int = 1,
        observe: Observer = observe_nothing,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size: expected 1 or more, got {batch_size}")
        if artefact.manifest.stage != stage:
            raise ConfigError(
                f"model {artefact.manifest.name} is a {artefact.manifest.stage} model, "
                f"expected a {stage} model here; `posestream models` lists what there is"
            )
        self.manifest: Manifest = artefact.manifest
        self.batch_size = batch_size
        self._make_engine, self._clock, self._observe = make_engine, clock, observe
        self._engines: dict[Canvas, Engine] = {}
        self._canvases: dict[Canvas, NDArray[np.uint8]] = {}
        self._closed = False

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engines opened so far."""
        return tuple(engine.spec for engine in self._engines.values())

    def prepare(self, width: int, height: int) -> EngineSpec:
        """Opens the engine for frames of that size (pixels) now, so that no frame waits for it.

        Raises:
            EngineError: if it cannot be opened.
        """
        return self._engine(best_canvas(width, height, self.manifest.canvases)).spec

    @property
    def in_flight(self) -> int:
        """Batches that are worth having under way; see `EngineSpec.in_flight`."""
        return max((engine.spec.in_flight for engine in self._engines.values()), default=1)

    def run(self, frames: Sequence[Frame]) -> Iterator[CanvasBatch]:
        """Batches of the frames, of one canvas each; every frame is in exactly one.

        Raises:
            EngineError: if an engine fails, or after `close`.
        """
        under_way: deque[PendingCanvases] = deque()
        for pending in self._submissions(frames):
            under_way.append(pending)
            if len(under_way) >= self.in_flight:
                yield from self.finish([under_way.popleft()])
        yield from self.finish(under_way)

    def submit(self, frames: Sequence[Frame]) -> Sequence[PendingCanvases]:
        """Hands the frames to the engines; `finish` gives what they say.

        Raises:
            EngineError: as `run`; on engines that overlap, what fails later is raised by `finish`.
        """
        return list(self._submissions(frames))

    def finish(self, pending: Iterable[PendingCanvases]) -> Iterator[CanvasBatch]:
        """Waits for each batch; what was submitted first is to be finished first."""
        for one in pending:
            start = self._clock.monotonic()
            outputs = one.outputs.result()
            inferred = self._clock.monotonic()
            self._observe("infer", one.seconds + inferred - start)
            yield CanvasBatch(one.rows, one.frames, one.places, outputs)
            self._observe("post", self._clock.monotonic() - inferred)

    def close(self) -> None:
        """Closes all engines; a second call does nothing."""
        self._closed = True
        while self._engines:
            self._engines.popitem()[1].close()
        self._canvases.clear()

    def _by_canvas(self, frames: Sequence[Frame]) -> dict[Canvas, list[int]]:
        groups: dict[Canvas, list[int]] = {}
        for row, frame in enumerate(frames):
            size = frame.picture.width, frame.picture.height
            groups.setdefault(best_canvas(*size, self.manifest.canvases), []).append(row)
        return groups

    def _submissions(self, frames: Sequence[Frame]) -> Iterator[PendingCanvases]:
        if self._closed:
            raise EngineError(f"estimator of model {self.manifest.name} was closed; make a new one")
        for canvas, rows in self._by_canvas(frames).items():
            for some in _split(rows, self.batch_size):
                yield self._submit(canvas, some, [frames[row] for row in some])

    def _submit(
        self, canvas: Canvas, rows: Iterable[int], frames: Sequence[Frame]
    ) -> PendingCanvases:
        engine = self._engine(canvas)
        start = self._clock.monotonic()
        places = [letterbox(f.picture.width, f.picture.height, *canvas) for f in frames]
        pixels = self._render(canvas, frames, places)
        rendered = self._clock.monotonic()
        outputs = submitted(engine, {"canvas": pixels})
        self._observe("pre", rendered - start)
        seconds = self._clock.monotonic() - rendered
        return PendingCanvases(tuple(rows), tuple(frames), tuple(places), outputs, seconds)

    def _engine(self, canvas: Canvas) -> Engine:
        if canvas not in self._engines:
            self._engines[canvas] = self._make_engine(canvas)
            self._canvases[canvas] = np.empty((self.batch_size, canvas[1], canvas[0], 3), np.uint8)
        return self._engines[canvas]

    def _render(
        self, canvas: Canvas, frames: Sequence[Frame], places: Sequence[Letterbox]
    ) -> NDArray[np.uint8]:
        on_device = taken_planes([frame.picture for frame in frames])
        if on_device is not None:
            there = [planes.picture for planes in on_device]
            canvases: NDArray[np.uint8] = on_device[0].preprocessor.canvases(
                there, list(enumerate(places))
            )
            return canvases  # a tensor of the device, which engines there take as it is
        pixels = self._canvases[canvas][: len(frames)]
        for row, frame, place in zip(pixels, frames, places, strict=True):
            draw_canvas(frame.picture, place, row)
        return pixels


def _split(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
