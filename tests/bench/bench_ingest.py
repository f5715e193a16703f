"""Milliseconds from a decoded frame to the network's canvas, by three ways that agree.

    python -m tests.bench.bench_ingest CLIP... [--frames N] [--rounds N] [--out FILE.json]

- planes first, ours: the decoder's YUV planes as they are, scaled by OpenCV, then one matrix;
- swscale: FFmpeg's scaler straight to a small RGB picture, laid on the canvas;
- RGB first: FFmpeg converts the whole frame to RGB, OpenCV scales it.

Ways whose canvases differ by more than the filters explain end the bench with exit code 1 and no
numbers. Frames are decoded once; then the ways take turns, frame by frame, so that a busy neighbour
slows all alike. Only planes first leaves behind what drawing and other canvases need as well.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from stream.clock import SystemClock
from stream.geometry import Letterbox, best_canvas, letterbox
from stream.ingest.av_picture import PictureMaker, colour_of
from stream.picture import CANVAS_GREY, ColourSpace, to_canvas
from tests.bench.report import Figure, write_report

Rgb = NDArray[np.uint8]
Way = Callable[[VideoFrame, Letterbox], Rgb]

CANVASES = ((576, 448), (512, 288), (448, 576), (288, 512), (448, 448))
OURS = "planes first"
CLOSE_MEAN, CLOSE_P99 = 3.0, 12.0
"""Grey levels by which canvases may differ: the area filters weigh the pixels at their rims
differently, and chroma is scaled from half the size or from its doubled copy."""
SPACES = {ColourSpace.BT601: 5, ColourSpace.BT709: 1, ColourSpace.BT2020: 9}


class Ways:
    """The three ways, each with what it keeps from frame to frame."""

    def __init__(self) -> None:
        self._pictures = PictureMaker()
        self._small, self._whole = VideoReformatter(), VideoReformatter()

    def all(self) -> dict[str, Way]:
        """Ours first: the others are compared with it."""
        return {OURS: self.planes_first, "swscale": self.swscale, "RGB first": self.rgb_first}

    def planes_first(self, frame: VideoFrame, place: Letterbox) -> Rgb:
        """As posestream does."""
        return to_canvas(self._pictures.picture(frame), place)

    def swscale(self, frame: VideoFrame, place: Letterbox) -> Rgb:
        """Scaled and converted in one go."""
        size = (place.inner_width, place.inner_height)
        return _laid_on_grey(_converted(self._small, frame, size), place)

    def rgb_first(self, frame: VideoFrame, place: Letterbox) -> Rgb:
        """Converted at full size, then scaled."""
        rgb = _converted(self._whole, frame, (frame.width, frame.height))
        size = (place.inner_width, place.inner_height)
        return _laid_on_grey(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), place)


def _converted(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> Rgb:
    space, full_range = colour_of(frame)
    small = reformatter.reformat(
        frame,
        width=size[0],
        height=size[1],
        format="rgb24",
        src_colorspace=SPACES[space],
        dst_colorspace=SPACES[space],
        interpolation=Interpolation.AREA,
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    return cast(Rgb, small.to_ndarray())


def _laid_on_grey(rgb: Any, place: Letterbox) -> Rgb:
    canvas = np.full((place.canvas_height, place.canvas_width, 3), CANVAS_GREY, np.uint8)
    rows = slice(place.top, place.top + place.inner_height)
    canvas[rows, place.left : place.left + place.inner_width] = rgb
    return canvas


def decoded(clip: Path, count: int) -> list[VideoFrame]:
    """The first frames of a clip that stands upright."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_count = 1
        frames = list(islice(container.decode(video=0), count))
    if not frames or frames[0].rotation:
        sys.exit(f"{clip}: expected a clip with frames and without rotation")
    return frames


def differences(ways: Mapping[str, Way], frame: VideoFrame, place: Letterbox) -> dict[str, Any]:
    """How far each other way is from ours, in grey levels."""
    ours = ways[OURS](frame, place).astype(np.int16)
    apart = {name: np.abs(way(frame, place) - ours) for name, way in ways.items() if name != OURS}
    return {
        name: {
            "mean": round(float(levels.mean()), 3),
            "p99": float(np.percentile(levels, 99)),
            "worst": int(levels.max()),
        }
        for name, levels in apart.items()
    }


def disagreements(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is further off than filters explain."""
    return [
        f"{name}: {levels}"
        for name, levels in found.items()
        if levels["mean"] > CLOSE_MEAN or levels["p99"] > CLOSE_P99
    ]


def milliseconds(
    ways: Mapping[str, Way], frames: list[VideoFrame], place: Letterbox, rounds: int
) -> dict[str, float]:
    """Median of each way, frame by frame in turn."""
    clock = SystemClock()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for frame in frames * rounds:
        for name, way in ways.items():
            start = clock.monotonic()
            way(frame, place)
            spent[name].append(1000 * (clock.monotonic() - start))
    return {name: round(median(times), 3) for name, times in spent.items()}


def measure(clip: Path, count: int, rounds: int) -> dict[str, Any]:
    """One clip: sizes, agreement, times."""
    frames = decoded(clip, count)
    width, height = frames[0].width, frames[0].height
    canvas = best_canvas(width, height, CANVASES)
    place, ways = letterbox(width, height, *canvas), Ways().all()
    apart = differences(ways, frames[len(frames) // 2], place)
    if wrong := disagreements(apart):
        sys.exit(f"{clip.name}: canvases differ from ours: " + "; ".join(wrong))
    times = milliseconds(ways, frames, place, rounds)
    return {
        "clip": clip.name,
        "size": (width, height),
        "pixels": frames[0].format.name,
        "canvas": canvas,
        "levels_apart": apart,
        "median_ms": times,
    }


def figures(measured: list[dict[str, Any]]) -> list[Figure]:
    """Milliseconds a frame of every way on every clip."""
    return [
        Figure(f"Frame to canvas, {way}, {one['clip']} ({'x'.join(map(str, one['size']))})", ms,
               "ms")
        for one in measured
        for way, ms in one["median_ms"].items()
    ]  # fmt: skip


def main() -> None:
    """Compares, then times, then writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    measured = [measure(clip, arguments.frames, arguments.rounds) for clip in arguments.clips]
    details = {"frames": arguments.frames, "rounds": arguments.rounds, "clips": measured}
    write_report("ingest", figures(measured), details, arguments.out)


if __name__ == "__main__":
    main()
