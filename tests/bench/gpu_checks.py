"""What `bench_gpu.py` checks and times: kernels, decoders, a whole run.

Each check says in plain fields what it found. Kernels and decoders can be checked on a processor,
too: that is how the tests know that the checks work.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.engine import Engine
from engines.pending import submitted
from engines.preprocessing.device_frames import TorchTaker
from engines.preprocessing.preprocessor import DevicePreprocessor
from engines.preprocessing.tensor_picture import uploaded
from stream.clock import Clock
from stream.crops import cut_crops
from stream.geometry import CropAffine, crop_affine, letterbox
from stream.ingest.decode_ladder import DecodeLadder, DecodeRung
from stream.ingest.laddered_reader import LadderedReader
from stream.ingest.video_address import file_address
from stream.ingest.video_reader import VideoReader
from stream.picture import ColourSpace, Picture, to_canvas

Bytes = NDArray[np.uint8]

LEVELS = 2
"""Grey levels by which a canvas or crop may differ from the processor's."""
SIZES = ((1920, 1080), (1280, 720), (641, 359), (90, 1000), (33, 17))
CANVASES = ((512, 288), (640, 640))
CROP = (192, 256)
LAUNCHES = 50
MAX_PIXELS = 32_000_000


def random_picture(width: int, height: int, number: int) -> Picture:
    """The hardest picture: every pixel, and every colour, is unlike its neighbour."""
    dice = np.random.default_rng(number)
    half = (height + 1) // 2, (width + 1) // 2
    planes = [dice.integers(0, 256, shape, np.uint8) for shape in ((height, width), half, half)]
    space = list(ColourSpace)[number % 3]
    return Picture(planes[0], planes[1], planes[2], space, full_range=bool(number % 2))


def kernel_parity(preprocessor: DevicePreprocessor, device: str) -> dict[str, Any]:
    """Largest difference from the processor's path, in grey levels."""
    pictures = [random_picture(*size, number) for number, size in enumerate(SIZES)]
    there = [uploaded(picture, device) for picture in pictures]
    canvas_levels = 0
    for canvas in CANVASES:
        places = [letterbox(one.width, one.height, *canvas) for one in pictures]
        found = preprocessor.canvases(there, list(enumerate(places))).cpu().numpy()
        for row, picture, place in zip(found, pictures, places, strict=True):
            canvas_levels = max(canvas_levels, _worst(row, to_canvas(picture, place)))
    numbered = [(n, place) for n, one in enumerate(pictures) for place in _crops(one)]
    crops = preprocessor.crops(there, numbered).cpu().numpy()
    expected = np.empty_like(crops)
    for row, (number, crop) in zip(expected, numbered, strict=True):
        cut_crops(pictures[number], [crop], [row])
    return {
        "preprocessor": preprocessor.name,
        "kernels_from": getattr(preprocessor, "origin", None),
        "canvas_levels": canvas_levels,
        "crop_levels": _worst(crops, expected),
        "crops": len(numbered),
    }


def kernel_times(
    preprocessor: DevicePreprocessor, device: str, clock: Clock, wait: Callable[[], object]
) -> dict[str, float]:
    """Microseconds of one launch for a 1080p canvas, eight of them, and 30 crops; medians."""
    there = [uploaded(random_picture(1920, 1080, number), device) for number in range(8)]
    place = letterbox(1920, 1080, 512, 288)
    people = [crop_affine((40.0 * n, 30.0 * n, 120, 320), *CROP) for n in range(30)]
    crops = [(n % 8, one) for n, one in enumerate(people)]
    works: dict[str, Callable[[], object]] = {
        "canvas_us": lambda: preprocessor.canvases(there[:1], [(0, place)]),
        "eight_canvases_us": lambda: preprocessor.canvases(there, [(n, place) for n in range(8)]),
        "thirty_crops_us": lambda: preprocessor.crops(there, crops),
    }
    return {name: _microseconds(work, clock, wait) for name, work in works.items()}


def ladder_rung(clip: Path, rung: DecodeRung, taker: TorchTaker, clock: Clock) -> dict[str, Any]:
    """Reads a clip from a step of the ladder and says where it ended, how fast, and how alike."""
    reference = _luma_of(_reader(clip, DecodeRung.SOFTWARE, None))
    copies = taker.copies.pictures
    reader = _reader(clip, rung, taker)
    begun = clock.monotonic()
    with closing(reader):
        frames = sum(1 for _ in reader.frames())
    seconds = clock.monotonic() - begun
    without_looking = taker.copies.pictures - copies
    found = _luma_of(_reader(clip, rung, taker))
    return {
        "asked_for": rung.value,
        "decoded_by": reader.rung.value,
        "steps": [asdict(step) for step in reader.steps],
        "frames": frames,
        "frames_expected": len(reference),
        "frames_per_second": frames / seconds,
        "host_copies_of_pixels": without_looking,
        "luma_levels": max(
            (_worst(one, other) for one, other in zip(found, reference, strict=False)), default=-1
        ),
    }


def overlap(engine: Engine, batches: Sequence[Bytes], clock: Clock) -> dict[str, Any]:
    """Batches under way at once against one after another: the same to the bit, and how fast."""
    begun = clock.monotonic()
    expected = [engine.infer({"canvas": canvases}) for canvases in batches]
    alone = clock.monotonic() - begun
    begun = clock.monotonic()
    pending = [submitted(engine, {"canvas": canvases}) for canvases in batches]
    found = [one.result() for one in pending]
    together = clock.monotonic() - begun
    frames = sum(map(len, batches))
    return {
        "in_flight": engine.spec.in_flight,
        "batches": len(batches),
        "frames_per_second_one_by_one": frames / alone,
        "frames_per_second_overlapped": frames / together,
        "results_alike": all(
            np.array_equal(one[name], other[name])
            for one, other in zip(expected, found, strict=True)
            for name in one
        ),
    }


def _reader(clip: Path, rung: DecodeRung, taker: TorchTaker | None) -> LadderedReader:
    address = file_address(clip)

    def open_reader(now: DecodeRung) -> VideoReader:
        return VideoReader(address, thread_count=4, max_pixels=MAX_PIXELS, rung=now)

    ladder = DecodeLadder(rung)
    return LadderedReader(open_reader, ladder, stream="bench", is_live=False, taker=taker)


def _luma_of(reader: LadderedReader, stride: int = 8) -> list[Bytes]:
    """Every eighth row and column of luma: enough to tell frames apart, and little to keep."""
    with closing(reader):
        return [decoded.picture.y[::stride, ::stride].copy() for decoded in reader.frames()]


def _crops(picture: Picture) -> list[CropAffine]:
    middle = picture.width / 2, picture.height / 2
    turned = [CropAffine(middle, picture.width * 0.7, *CROP, angle) for angle in (0.0, 31.0, 180.0)]
    beyond = crop_affine((-20, -20, picture.width * 0.6, picture.height * 0.9), *CROP)
    return [*turned, beyond]


def _microseconds(work: Callable[[], object], clock: Clock, wait: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(LAUNCHES):
        wait()
        begun = clock.monotonic()
        work()
        wait()
        seconds.append(clock.monotonic() - begun)
    return float(np.median(seconds) * 1e6)


def _worst(found: Bytes, expected: Bytes) -> int:
    return int(np.abs(found.astype(int) - expected.astype(int)).max(initial=0))
