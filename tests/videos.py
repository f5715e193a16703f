"""Reads the videos that tests have written."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def frame_times(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    with av.open(str(path), format="mp4") as container:
        return [frame.time or 0.0 for frame in container.decode(video=0)]


def pictures(path: Path) -> list[NDArray[np.uint8]]:
    """(H, W, 3) RGB of each frame, through the colour space that the file names."""
    with av.open(str(path), format="mp4") as container:
        frames = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]
