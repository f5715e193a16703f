"""Takes the pictures of the live page that the documentation shows.

    python -m tests.bench.page_pictures [--clip FILE] [--out docs]

Needs the commands ffmpeg and chromium, and the shipped model; takes about two minutes. Look at the
pictures before you commit them.
"""

import argparse
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page

from stream.ingest.demo_clip import find_demo_clip
from tests.chromium import chromium
from tests.free_ports import free_port
from tests.running_api import ApiClient, client_of, wait_for
from tests.running_camera import running_camera
from tests.running_daemon import RunningDaemon, running_daemon, write_site

SCENES = {
    "street-east": (4.4, 1.0, "iw:ih"),
    "bus-stop": (4.4, 1.0, "ih*1.2:ih:iw*0.65-ow/2:0"),
    "car-park": (1.2, 0.32, "iw:ih"),
    "bridge": (5.6, 1.6, "iw:ih"),
}
"""Stream -> begin and length of its scene in seconds, and what is cut out of the picture. The times
fit the clip that the extra `demo` installs."""
SHOWN_WELL = """() => {
  const tiles = [...document.querySelectorAll('.tile[data-state=live]')];
  const people = tiles.slice(0, 3).map(it => it.querySelector(".people").textContent);
  const isWell = tiles.length === 4 && tiles.every(it => it.dataset.level === "good");
  return isWell && people.every(it => /[1-9]/.test(it));
}"""
"""Whether the first three streams show somebody, and the engine keeps up."""
PATIENCE_MS = 120_000.0
WIDE = {"width": 1280, "height": 690}
PHONE = {"width": 390, "height": 800}
COLOURS = 256
HISTORY_STEPS = 30
"""Seconds of a timeline."""
FORM = {
    "Name": "hall",
    "Address": "rtsp://192.0.2.7/live",
    "Frames a second at most": "5",
    "User": "viewer",
    "Password": "as it is: / ? # @ %",
}


def cut_scenes(clip: Path, folder: Path) -> list[Path]:
    """A file of each scene."""
    made = []
    for name, (begin, seconds, part) in SCENES.items():
        path = folder / f"{name}.mp4"
        words = ["ffmpeg", "-v", "error", "-ss", str(begin), "-i", str(clip), "-t", str(seconds)]
        words += ["-an", "-vf", f"crop={part}", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"]
        subprocess.run([*words, str(path)], check=True)
        made.append(path)
    return made


@contextmanager
def serving(folder: Path, clip: Path) -> Iterator[tuple[RunningDaemon, ApiClient]]:
    """A daemon on the scenes, a camera that is not there and one that is paused."""
    with running_camera(cut_scenes(clip, folder)) as addresses:
        streams: list[dict[str, Any]] = [
            {"name": name, "url": url, "max_fps": 0.4, "target_age_seconds": 1.0}
            for name, url in zip(SCENES, addresses, strict=True)
        ]
        nobody = f"rtsp://127.0.0.1:{free_port()}/live"
        streams += [
            {"name": "back-door", "url": nobody},
            {"name": "yard", "url": nobody, "paused": True},
        ]
        with running_daemon(write_site(folder, streams, api={"port": 0})) as daemon:
            api = client_of(daemon)
            for name in SCENES:
                wait_for(daemon, api, name, state="live")
                daemon.wait_for_results(name)
            yield daemon, api
            daemon.stop()


def take(page: Page, file: Path, *, full: bool = False) -> None:
    """The page as a file of few colours."""
    filters = f"split[a][b];[a]palettegen=max_colors={COLOURS}:stats_mode=full[p];[b][p]paletteuse"
    words = ["ffmpeg", "-v", "error", "-y", "-f", "png_pipe", "-i", "-", "-vf", filters, str(file)]
    subprocess.run(words, input=page.screenshot(full_page=full), check=True)


def opened(browser: Browser, address: str, sign: str, **wishes: Any) -> Page:
    """A page, as soon as it shows what is waited for."""
    page = browser.new_page(**wishes)
    page.goto(address)
    page.wait_for_selector(sign)
    return page


def take_all(browser: Browser, daemon: RunningDaemon, api: ApiClient, out: Path) -> None:
    """Every picture."""
    shown = f'.tile[data-stream="{next(iter(SCENES))}"] img[data-shown]'
    system = opened(
        browser, f"{api.address}#/system", ".card tbody tr", viewport=WIDE, color_scheme="dark"
    )
    system.get_by_role("rowheader", name="decoder-0").wait_for()
    wall = opened(browser, api.address, shown, viewport=WIDE)
    daemon.wait(
        lambda: len(api.get("/streams/bridge/history").json["times"]) >= HISTORY_STEPS, "history"
    )
    for name in SCENES:
        wall.wait_for_selector(f'.tile[data-stream="{name}"] img[data-shown]')
    wall.wait_for_function(SHOWN_WELL, timeout=PATIENCE_MS)
    take(wall, out / "page_wall.png")
    wall.get_by_role("button", name="Add a stream").click()
    form = wall.get_by_role("dialog", name="Add a stream")
    for label, text in FORM.items():
        form.get_by_label(label).fill(text)
    take(wall, out / "page_add.png")
    name = next(iter(SCENES))
    sign = ".stream .findings li[data-level]"
    one = opened(browser, f"{api.address}#/streams/{name}", sign, viewport=WIDE)
    one.wait_for_selector(f'img[data-stream="{name}"][data-shown]')
    one.wait_for_selector('.findings li[data-level="good"]', timeout=PATIENCE_MS)
    one.wait_for_selector('.bar.inferred[d^="M"]', state="attached")
    take(one, out / "page_stream.png", full=True)
    take(system, out / "page_system.png", full=True)
    phone = opened(browser, api.address, shown, viewport=PHONE)
    phone.wait_for_function(SHOWN_WELL, timeout=PATIENCE_MS)
    take(phone, out / "page_phone.png")


def main() -> None:
    """Serves, looks, takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--clip", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    clip = arguments.clip or find_demo_clip()
    with (
        TemporaryDirectory() as folder,
        serving(Path(folder), clip) as (daemon, api),
        chromium() as browser,
    ):
        take_all(browser, daemon, api, arguments.out)


if __name__ == "__main__":
    main()
