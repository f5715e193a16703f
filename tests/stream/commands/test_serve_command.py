"""The daemon as a process, with a real engine, real cameras and every signal."""

import json
import os
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engines.artefact import Artefact
from stream.camera.digest import Login
from stream.commands.serve import TrackersOfModels
from stream.pose import FramePoses
from tests.command_line import posestream
from tests.drawn_clips import write_drawn_clip
from tests.free_ports import free_port
from tests.named_memory import named_memory
from tests.redis_server import RedisServer
from tests.results import standing_person
from tests.running_camera import running_camera
from tests.running_daemon import running_daemon, write_site

LOGIN = Login("ada lovelace", "p/a?s#s@w%o:r d")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with one person."""
    return write_drawn_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", 50)


@pytest.fixture
def stream(tiny_artefact: Artefact) -> dict[str, Any]:
    """What all streams of these tests have in common."""
    return {"model": str(tiny_artefact.folder), "max_fps": 5}


def numbers(results: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(line["epoch"], line["frame"]) for line in results]


def is_alive(pid: int) -> bool:
    """A zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_a_site_is_served_until_it_is_told_to_stop(
    clip: Path, stream: dict[str, Any], tmp_path: Path
) -> None:
    with running_camera([clip, clip]) as addresses:
        streams = [
            {"name": f"cam{n}", "url": address, **stream} for n, address in enumerate(addresses)
        ]
        with running_daemon(write_site(tmp_path, streams)) as daemon:
            for name in ("cam0", "cam1"):
                daemon.wait_for_results(name, 3)
            scraped = daemon.metrics()
            begun = daemon.clock.monotonic()
            assert daemon.stop() == 0
            assert daemon.clock.monotonic() - begun < 5
    assert 'posestream_stream_state{state="live",stream="cam0"} 1.0' in scraped
    assert 'posestream_process_memory_bytes{process="decoder-0"}' in scraped
    for name in ("cam0", "cam1"):
        found = numbers(daemon.results(name))
        assert found == sorted(set(found))
    assert all(len(line["poses"]) == 1 for line in daemon.inferred("cam0"))
    assert not list(tmp_path.glob("out/*.partial"))


@pytest.mark.slow
def test_results_go_to_redis_and_to_files_alike(
    clip: Path, stream: dict[str, Any], tmp_path: Path, redis_server: RedisServer
) -> None:
    name = "serve_to_redis"
    sinks = [
        {"kind": "jsonl", "folder": "out"},
        {"kind": "redis", "url": redis_server.location()},
    ]
    with running_camera([clip]) as [address]:
        site = write_site(tmp_path, [{"name": name, "url": address, **stream}], sinks=sinks)
        with running_daemon(site) as daemon:
            daemon.wait_for_results(name, 5)
            assert daemon.stop() == 0
    assert [json.loads(line) for line in redis_server.results(name)] == daemon.results(name)


@pytest.mark.slow
def test_a_reload_changes_what_changed_and_untouched_streams_lose_no_frame(
    clip: Path, stream: dict[str, Any], tmp_path: Path
) -> None:
    with running_camera([clip] * 3) as addresses:
        quiet, second, third = (
            {"name": f"cam{n}", "url": address, **stream} for n, address in enumerate(addresses)
        )
        with running_daemon(write_site(tmp_path, [quiet, second])) as daemon:
            daemon.wait_for_results("cam0", 3)
            daemon.wait_for_results("cam1")
            write_site(tmp_path, [quiet, third], limits={"streams": 9})
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for_log("site_reloaded")
            daemon.wait_for_results("cam2")
            (tmp_path / "site.yaml").write_text("streams: [{max_fps: -1}]", "utf-8")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for_log("reload_refused")
            daemon.wait_for_results("cam0", 3)
            scraped = daemon.metrics()
            assert daemon.stop() == 0
    assert "added=cam2 changed= removed=cam1" in daemon.log
    assert "reload_needs_restart" in daemon.log
    assert "section=limits" in daemon.log
    assert "streams[0].max_fps: got -1" in daemon.log
    assert 'stream="cam1"' not in scraped
    quiet_frames = daemon.results("cam0")
    assert {line["epoch"] for line in quiet_frames} == {0}
    assert {line["outcome"] for line in quiet_frames[3:-1]} == {"inferred"}
    steps = [b["pts_seconds"] - a["pts_seconds"] for a, b in pairwise(quiet_frames[3:-1])]
    assert max(steps) <= 0.2 + 2 * 0.04 + 0.001


@pytest.mark.slow
def test_killed_the_daemon_leaves_no_process_and_no_memory(
    clip: Path, stream: dict[str, Any], tmp_path: Path
) -> None:
    with running_camera([clip]) as [address]:
        site = write_site(tmp_path, [{"name": "cam", "url": address, **stream}])
        with running_daemon(site) as daemon:
            daemon.wait_for_results("cam", 2)
            children = daemon.children()
            # Memory without a name ends with who holds it.
            assert not any(map(named_memory, [daemon.process.pid, *children]))
            # Even one that is stopped, and one that would not hear.
            os.kill(children[0], signal.SIGSTOP)
            daemon.process.kill()
            daemon.process.wait()
            daemon.wait(lambda: not any(map(is_alive, children)), "the end of all")
        assert len(children) >= 2
        with running_daemon(site) as daemon:
            daemon.wait(lambda: daemon.inferred("cam")[-1]["epoch"] == 1, "a new epoch")
            assert daemon.stop() == 0
    found = numbers(daemon.results("cam"))
    assert found == sorted(set(found)), "in order over the restart, nothing twice"
    assert not list(tmp_path.glob("out/*.partial"))


@pytest.mark.slow
def test_a_password_shows_nowhere(clip: Path, stream: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(LOGIN.password, "utf-8")
    login = {"user": LOGIN.user, "password": {"file": "secret"}}
    raw = f"rtsp://{LOGIN.user}:{LOGIN.password}@127.0.0.1:{free_port()}/cam"
    with running_camera([clip], login=LOGIN) as [address]:
        streams = [
            {"name": "good", "url": address, "login": login, **stream},
            {"name": "lost", "url": address.replace("cam0", "cam9"), "login": login, **stream},
            {"name": "closed", "url": raw, **stream},
        ]
        with running_daemon(write_site(tmp_path, streams)) as daemon:
            daemon.wait_for_results("good", 2)
            daemon.wait_for_log("cause=not_found")
            daemon.wait_for_log("cause=network")
            titles = [Path(f"/proc/{pid}/cmdline").read_text("utf-8") for pid in daemon.children()]
            scraped = daemon.metrics()
            assert daemon.stop() == 0
    files = "".join(file.read_text("utf-8") for file in tmp_path.glob("out/*"))
    seen = "\n".join([daemon.log, scraped, files, *titles])
    for secret in (LOGIN.password, "p%2Fa", "s#s", "s%23s", "%25o"):
        assert secret not in seen


def test_what_keeps_it_from_starting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    site = write_site(tmp_path, [{"name": "a", "url": "x.mp4", "max_fps": 0}])
    done = posestream("serve", "-c", site, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{site}:" in done.stderr
    assert "streams[0].max_fps: got 0, expected greater than 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_starts_tracks_from_the_score_that_its_model_says() -> None:
    trackers = TrackersOfModels()
    ours, unknown = trackers("bottom_up"), trackers("gone")
    doubtful = (replace(standing_person().pose, score=0.41),)  # bottom_up is sure from .45 on
    for index in range(2):
        assert not ours.update(FramePoses("hall", 0, index, doubtful), index / 25)
        assert unknown.update(FramePoses("hall", 0, index, doubtful), index / 25)
