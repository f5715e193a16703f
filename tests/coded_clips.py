"""Small videos with a codec, size and length of one's choice."""

from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

QUIET: dict[str, dict[str, object]] = {"libx265": {"x265-params": "log-level=none:pools=1"}}
"""x265 would tell its life on standard error, and take all cores."""


def write_coded_clip(
    path: Path,
    encoder: str = "libx264",
    *,
    size: tuple[int, int] = (160, 120),
    frames: int = 20,
    b_frames: int = 0,
) -> Path:
    """A grey noise that moves, 25 frames a second, a key frame every 10."""
    width, height = size
    grain = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = cast(VideoStream, container.add_stream(encoder, rate=25))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size, stream.max_b_frames = 10, b_frames
        stream.options = dict(QUIET.get(encoder, {}))
        for index in range(frames):
            picture = np.roll(grain, 4 * index, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
