"""One daemon with an API for all tests that leave it as they found it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engines.artefact import Artefact
from tests.drawn_clips import write_drawn_clip
from tests.running_api import ApiClient, client_of
from tests.running_camera import running_camera
from tests.running_daemon import RunningDaemon, running_daemon, write_site


@dataclass(frozen=True)
class Served:
    """A daemon, its API and the address of a camera that it does not read."""

    daemon: RunningDaemon
    api: ApiClient
    spare: str
    model: str


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of one person who walks to and fro."""
    return write_drawn_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", 160)


@pytest.fixture(scope="module")
def served(
    walk: Path, tiny_artefact: Artefact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    stream: dict[str, Any] = {"model": str(tiny_artefact.folder), "max_fps": 5}
    with running_camera([walk] * 2) as [first, spare]:
        streams = [{"name": "cam", "url": first, **stream}]
        site = write_site(folder, streams, api={"port": 0}, limits={"streams": 3})
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            daemon.wait_for_results("cam", 2)
            yield Served(daemon, api, spare, stream["model"])
            assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
