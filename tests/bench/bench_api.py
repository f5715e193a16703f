"""The API and the page: how fast a new stream is there, what looking costs, how fast a page knows.

    python -m tests.bench.bench_api CLIP [--rounds 8] [--seconds 15] [--model M] [--out FILE]

Four cameras of 1280x720 at 30 frames/s, a key frame a second, are read all the time. A fifth is
added over REST and removed again, from the request to the first inferred frame; once where a
decoder has room for it and once where a process is started. Then the supervisor's processor time
with nobody, and with one who looks as the page does: events and twelve pictures a second. Then a
camera is killed under a page in Chromium.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from stream.clock import SystemClock
from tests.bench.bench_cameras import TICKS, cameras, coded_anew
from tests.bench.report import Figure, write_report
from tests.chromium import WAIT_MS, chromium
from tests.free_ports import free_port
from tests.running_api import ApiClient, client_of
from tests.running_daemon import running_daemon, write_site

READ = 4
PICTURES_A_SECOND = 12
KEY_FRAME_SECONDS = 1.0
LOOK_SECONDS = 0.005
CLOCK = SystemClock()


def site_of(folder: Path, addresses: list[str], model: str, per_worker: int) -> Path:
    """The cameras that are read all the time."""
    streams = [
        {"name": f"cam{n}", "url": url, "model": model, "max_fps": 2}
        for n, url in enumerate(addresses)
    ]
    limits = {"streams_per_worker": per_worker}
    return write_site(folder, streams, api={"port": free_port()}, limits=limits)


def first_result_seconds(api: ApiClient, url: str, model: str) -> float:
    """From the request to the first inferred frame."""
    pause, begun = Event(), CLOCK.monotonic()
    wish = {"name": "new", "url": url, "model": model, "max_fps": 2}
    answer = api.ask("POST", "/streams", wish)
    assert answer.status == 201, answer.body
    while not api.get("/streams/new/ledger").json["inferred"]:
        pause.wait(LOOK_SECONDS)
    seconds = CLOCK.monotonic() - begun
    api.ask("DELETE", "/streams/new")
    pause.wait(1.0)
    return seconds


def added(clip: Path, folder: Path, arguments: argparse.Namespace, per_worker: int) -> list[float]:
    """Every round's first result."""
    with cameras(clip, READ + 1) as (_, addresses):
        site = site_of(folder, addresses[:READ], arguments.model, per_worker)
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            daemon.wait(lambda: api.get("/ready").status == 200, "an engine")
            for n in range(READ):
                daemon.wait_for_results(f"cam{n}", 2)
            spare = addresses[READ]
            found = [
                first_result_seconds(api, spare, arguments.model) for _ in range(arguments.rounds)
            ]
            daemon.stop()
    return found


@contextmanager
def looking(api: ApiClient) -> Iterator[None]:
    """Somebody looks as the page does."""
    over = Event()
    threads = [Thread(target=listen, args=(api, over)), Thread(target=look, args=(api, over))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def listen(api: ApiClient, over: Event) -> None:
    """Hears all events."""
    for _ in api.events():
        if over.is_set():
            return


def look(api: ApiClient, over: Event) -> None:
    """Asks for the pictures of one stream after another."""
    with closing(api.connection()) as line:
        for n in cycle(range(READ)):
            if over.wait(1 / PICTURES_A_SECOND):
                return
            line.request("GET", f"/streams/cam{n}/snapshot.jpg?size=small")
            line.getresponse().read()


def cores_used(pid: int, seconds: float) -> float:
    """Of one process, all its threads."""
    before, begun = _cpu_seconds(pid), CLOCK.monotonic()
    Event().wait(seconds)
    return (_cpu_seconds(pid) - before) / (CLOCK.monotonic() - begun)


def watched(clip: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """What the supervisor takes with nobody and with somebody who looks."""
    with ExitStack() as parts:
        _, addresses = parts.enter_context(cameras(clip, READ))
        site = site_of(folder, addresses, arguments.model, READ)
        daemon = parts.enter_context(running_daemon(site))
        api = client_of(daemon)
        for n in range(READ):
            daemon.wait_for_results(f"cam{n}", 2)
        alone = cores_used(daemon.process.pid, arguments.seconds)
        with looking(api):
            seen = cores_used(daemon.process.pid, arguments.seconds)
        daemon.stop()
    return {"supervisor_cores_alone": round(alone, 4), "supervisor_cores_seen": round(seen, 4)}


def page_reactions(
    clip: Path, folder: Path, arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds until a page knows that a camera was killed, and that it is back."""
    lost, back, port = [], [], free_port()
    url = f"rtsp://127.0.0.1:{port}/cam0"
    tile = '.tile[data-stream="cam0"]'
    with (
        running_daemon(site_of(folder, [url], arguments.model, 1)) as daemon,
        chromium() as browser,
    ):
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(client_of(daemon).address)
        for _ in range(max(2, arguments.rounds // 2)):
            with camera(clip, port) as kill:
                begun = CLOCK.monotonic()
                page.wait_for_selector(f'{tile}[data-state="live"]')
                back.append(CLOCK.monotonic() - begun)
                Event().wait(1.0)
                begun = CLOCK.monotonic()
                kill()
                page.wait_for_selector(f'{tile}:not([data-state="live"])')
                lost.append(CLOCK.monotonic() - begun)
        daemon.stop()
    return {"lost": lost, "back": back}


@contextmanager
def camera(clip: Path, port: int) -> Iterator[Callable[[], None]]:
    """A camera at a port; listens when the block begins."""
    command = [sys.executable, "-m", "stream", "camera", str(clip), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process, closing(process.stdout):
        process.stdout.readline()
        try:
            yield lambda: process.send_signal(signal.SIGKILL)
        finally:
            process.kill()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(clip: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, one after the other."""
    folders = {name: folder / name for name in ("room", "started", "watched", "page")}
    for one in folders.values():
        one.mkdir()
    return {
        "first_result_with_room_seconds": added(clip, folders["room"], arguments, READ + 1),
        "first_result_started_seconds": added(clip, folders["started"], arguments, 1),
        **watched(clip, folders["watched"], arguments),
        "page_seconds": page_reactions(clip, folders["page"], arguments),
    }


def figures(found: dict[str, Any]) -> list[Figure]:
    """What users ask first."""
    room, started = found["first_result_with_room_seconds"], found["first_result_started_seconds"]
    looked = found["supervisor_cores_seen"] - found["supervisor_cores_alone"]
    page = found["page_seconds"]
    return [
        Figure("Stream added by REST: first result, median", statistics.median(room), "s"),
        Figure("Stream added by REST: first result, slowest", max(room), "s"),
        Figure("The same with a process to start, slowest", max(started), "s"),
        Figure("One who looks at 4 streams costs", looked, "cores"),
        Figure("Camera killed: the page says so after, slowest", max(page["lost"]), "s"),
        Figure("Camera back: the page says so after, slowest", max(page["back"]), "s"),
    ]


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--model", default="bottom_up")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    with TemporaryDirectory() as name:
        clip = coded_anew(arguments.clip, Path(name) / "camera.mp4")
        found = measure(clip, Path(name), arguments)
    details = {
        "clip": arguments.clip.name,
        "model": Path(arguments.model).name,
        "key_frame_seconds": KEY_FRAME_SECONDS,
        **found,
        "load_before_and_after": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    write_report("api", figures(found), details, arguments.out)


if __name__ == "__main__":
    main()
