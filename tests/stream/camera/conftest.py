"""Videos for cameras."""

from pathlib import Path

import pytest

from tests.coded_clips import write_coded_clip

ENCODERS = {"h264": "libx264", "h265": "libx265"}


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """160x120, 20 frames, 0.8 seconds, by codec; `small_h264` is 96x64."""
    folder = tmp_path_factory.mktemp("camera")
    made = {
        name: write_coded_clip(folder / f"{name}.mp4", encoder)
        for name, encoder in ENCODERS.items()
    }
    made["small_h264"] = write_coded_clip(folder / "small_h264.mp4", size=(96, 64))
    return made
