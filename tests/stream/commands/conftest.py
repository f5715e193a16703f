"""Clips and a model that make a whole run quick."""

from pathlib import Path

import pytest

from tests.drawn_clips import write_drawn_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames."""
    return write_drawn_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", 30)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its results do not fit into a pipe that nobody reads (64 KiB), so a run cannot be over."""
    return write_drawn_clip(tmp_path_factory.mktemp("clips") / "long.mp4", 400)
