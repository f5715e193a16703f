"""People of frames through a graph that takes crops: cut out, in one batch, mapped back."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.artefact import Artefact, Manifest, StageName
from engines.canvas_stage import EngineFactory, Observer, Stage, observe_nothing
from engines.decoding.pose_scores import padded_areas_px2
from engines.engine import EngineSpec, Tensors
from engines.lazy_engine import LazyEngine
from engines.pending import Pending, submitted
from engines.preprocessing.device_frames import taken_planes
from stream.clock import Clock
from stream.crops import CropCutter
from stream.errors import ConfigError, EngineError
from stream.frame import Frame
from stream.geometry import CropAffine, crop_affine

Floats = NDArray[np.float32]

CROP_BATCHES = (1, 2, 4)
"""Batch sizes to compile for. OpenVINO works on the rows of a batch side by side: on 2 cores a crop
of 96x128 takes 1.3 ms in company and 2.3 ms alone."""
LEAST_SIDE_PX = 1.0
"""A box without extent is made as large as a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class PeopleInFrame:
    """Who is to be looked at in a frame."""

    frame: Frame
    boxes_px: Floats
    """(N, 4) left, top, right, bottom edges in source pixels (`engines.detector.PersonBoxes`)."""
    poses: Floats | None = None
    """(N, J, 3) x, y in source pixels and confidence; a refiner needs them."""


class CropStage:
    """Runs a model on people; its engine is opened when the first person comes, or by `prepare`.

    Args:
        artefact: the model; picks the size and the padding of the crops.
        stage: what the model must be.
        make_engine: opens the model's engine for a size of crops.
        clock: measures the stages.
        observe: told the seconds of `crop`, and of `pose` or `refine`.

    Raises:
        ConfigError: if the model is of another stage.
    """

    def __init__(
        self,
        artefact: Artefact,
        stage: StageName,
        make_engine: EngineFactory,
        *,
        clock: Clock,
        observe: Observer = observe_nothing,
    ) -> None:
        self.manifest: Manifest = artefact.manifest
        if self.manifest.stage != stage:
            raise ConfigError(
                f"model {self.manifest.name} is a {self.manifest.stage} model, "
                f"expected a {stage} model here; `posestream models` lists what there is"
            )
        self._clock, self._observe = clock, observe
        self._name: Stage = "refine" if stage == "refiner" else "pose"
        self._engine = LazyEngine(self.manifest.name, lambda: make_engine(self.size))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the crops."""
        return self.manifest.canvases[0]

    @property
    def engine_specs(self) -> tuple[EngineSpec, ...]:
        """The engine, if it was opened."""
        return self._engine.specs

    def prepare(self) -> EngineSpec:
        """Opens the engine now, so that nobody waits for it.

        Raises:
            EngineError: if it cannot be opened, or after `close`.
        """
        return self._engine.opened().spec

    def run(self, people: Sequence[PeopleInFrame]) -> list[Floats]:
        """(N, J, 3) poses of each frame's people in source pixels; all people ride together.

        On the processor the next ones are cut out while the first ones are looked at.

        Raises:
            EngineError: if the engine fails or gives NaN or infinity, or after `close`.
        """
        start = self._clock.monotonic()
        places = [self._places(one.boxes_px) for one in people]
        count = sum(map(len, places))
        if not count:
            return [np.zeros((0, 17, 3), np.float32) for _ in people]
        engine, began, cutting = self._engine.opened(), start, 0.0
        pending: list[Pending] = []
        for inputs in self._inputs(people, places, chunk_sizes(engine.spec, count)):
            cutting += self._clock.monotonic() - began
            pending.append(submitted(engine, inputs))
            began = self._clock.monotonic()
        found = np.concatenate([one.result()["keypoints"] for one in pending]).astype(np.float32)
        self._observe("crop", cutting)
        self._observe(self._name, self._clock.monotonic() - start - cutting)
        self._check(found)
        return self._mapped_back(found, places)

    def areas_px2(self, boxes_px: Floats) -> NDArray[np.float64]:
        """(N,) area of what the crops show, the scale of suppression in the papers' code."""
        sides = boxes_px[:, 2:] - boxes_px[:, :2]
        aspect = self.size[0] / self.size[1]
        return padded_areas_px2(sides, aspect, self.manifest.crop_padding)

    def close(self) -> None:
        """Frees the engine; a second call does nothing, `run` afterwards raises EngineError."""
        self._engine.close()

    def _places(self, boxes_px: Floats) -> list[CropAffine]:
        # Edges at -0.5 are COCO's 0: its boxes count from the corner of the picture.
        low = boxes_px[:, :2] + np.float32(0.5)
        sides = np.maximum(boxes_px[:, 2:] - boxes_px[:, :2], LEAST_SIDE_PX)
        padding = self.manifest.crop_padding
        return [
            crop_affine(box.tolist(), *self.size, padding)
            for box in np.concatenate([low, sides], -1)
        ]

    def _inputs(
        self,
        people: Sequence[PeopleInFrame],
        places: Sequence[list[CropAffine]],
        sizes: Sequence[int],
    ) -> Iterator[Tensors]:
        """All people, so many at a time."""
        poses: Floats | None = None
        if self.manifest.stage == "refiner":
            poses = np.concatenate(
                [_into_crops(one, some) for one, some in zip(people, places, strict=True)]
            )
        done = 0
        for crops in self._cut(people, places, sizes):
            until = done + len(crops)
            yield {"crops": crops} | ({} if poses is None else {"poses": poses[done:until]})
            done = until

    def _cut(
        self,
        people: Sequence[PeopleInFrame],
        places: Sequence[list[CropAffine]],
        sizes: Sequence[int],
    ) -> Iterator[NDArray[np.uint8]]:
        on_device = taken_planes([one.frame.picture for one in people])
        if on_device is not None:
            there = [planes.picture for planes in on_device]
            numbered = [(number, place) for number, some in enumerate(places) for place in some]
            # A tensor of the device, which engines there take as it is.
            yield on_device[0].preprocessor.crops(there, numbered)
            return
        each = self._one_by_one(people, places)
        for size in sizes:
            crops = np.empty((size, self.size[1], self.size[0], 3), np.uint8)
            for crop in crops:
                cutter, number = next(each)
                cutter.cut(number, crop)
            yield crops

    def _one_by_one(
        self, people: Sequence[PeopleInFrame], places: Sequence[list[CropAffine]]
    ) -> Iterator[tuple[CropCutter, int]]:
        for one, some in zip(people, places, strict=True):
            if some:
                cutter = CropCutter(one.frame.picture, some)
                yield from ((cutter, number) for number in range(len(some)))

    def _check(self, found: Floats) -> None:
        bad = int((~np.isfinite(found).all((1, 2))).sum())
        if bad:
            raise EngineError(
                f"model {self.manifest.name} gave NaN or infinity for {bad} of {len(found)} "
                "people; try another precision or engine"
            )

    def _mapped_back(self, found: Floats, places: Sequence[list[CropAffine]]) -> list[Floats]:
        found[..., 2] = found[..., 2].clip(0, 1)
        rows = iter(found)
        mapped = []
        for some in places:
            poses = np.zeros((len(some), *found.shape[1:]), np.float32)
            for pose, place in zip(poses, some, strict=True):
                row = next(rows)
                pose[:, :2], pose[:, 2] = place.to_source(row[:, :2]), row[:, 2]
            mapped.append(poses)
        return mapped


def chunk_sizes(spec: EngineSpec, count: int) -> list[int]:
    """How many people are cut out and handed to the engine at a time.

    On the processor as many as it works on at once, so that cutting hides behind that; never a
    single one beside others, for which all threads would join. A GPU takes all of them at once.
    """
    if spec.device != "cpu" or spec.in_flight == 1:
        return [count]
    most = spec.batches[-1]
    chunks = max(1, count // max(2, min(spec.threads, most)))
    chunks = max(chunks, math.ceil(count / most))
    return [(count + number) // chunks for number in range(chunks)][::-1]


def _into_crops(one: PeopleInFrame, places: Sequence[CropAffine]) -> Floats:
    """(N, J, 3) the poses to refine, in pixels of their crops."""
    if one.poses is None:
        raise EngineError("a refiner needs the poses to refine; this is a fault of posestream")
    moved = one.poses.astype(np.float32).copy()
    for pose, place in zip(moved, places, strict=True):
        pose[:, :2] = place.to_crop(pose[:, :2])
    return moved
