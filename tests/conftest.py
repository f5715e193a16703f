"""Fixtures that several packages' tests share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared labelled people, videos and weights; POSESTREAM_REQUIRE_ALL=1 forbids a skip."""
    shared = Path(os.environ.get("POSESTREAM_SHARED", REPOSITORY.parent / "shared"))
    folder = shared / "data"
    if folder.is_dir():
        return folder
    message = f"no shared data at {folder}; set POSESTREAM_SHARED"
    if os.environ.get("POSESTREAM_REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)
