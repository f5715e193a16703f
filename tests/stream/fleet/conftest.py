from pathlib import Path

import pytest

from tests.coded_clips import write_coded_clip

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _our_packages_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of the tests is found by the processes that the daemon starts."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


@pytest.fixture(scope="session")
def fleet_videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two seconds each, a key frame every ten frames."""
    folder = tmp_path_factory.mktemp("fleet_videos")
    return {
        "h264": write_coded_clip(folder / "h264.mp4", frames=50),
        "h265": write_coded_clip(folder / "h265.mp4", "libx265", frames=50),
        "small": write_coded_clip(folder / "small.mp4", size=(96, 64), frames=50),
        "large": write_coded_clip(folder / "large.mp4", size=(320, 240), frames=50),
    }
