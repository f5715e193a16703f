"""The live page in a real Chromium, with a real daemon and real cameras that come and go."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from engines.artefact import Artefact
from tests.chromium import WAIT_MS, Complaints, chromium
from tests.command_line import running
from tests.free_ports import free_port
from tests.running_api import client_of
from tests.running_daemon import running_daemon, write_site
from tests.stream.api.conftest import Served

pytestmark = pytest.mark.slow

FITS = "document.documentElement.scrollWidth <= innerWidth"
PHONE = {"width": 390, "height": 800}
TOKEN = "a-token-of-some-length-0123456789"  # noqa: S105 - of this test
DRAWN_AT = """name => {
  const image = document.querySelector(`[data-stream="${name}"] img, img[data-stream="${name}"]`);
  if (!image || !image.dataset.shown || !image.complete) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const colour = [data[i], data[i + 1], data[i + 2]];
    if (Math.max(...colour) - Math.min(...colour) > 90) {
      sum += (i / 4) % canvas.width;
      count += 1;
    }
  }
  return count > 20 ? sum / count : null;
}"""
"""Mean column of what was drawn in colour into a picture: the clips themselves are grey."""

REFUSED = ("409 (Conflict)", "422 (Unprocessable")
"""What Chromium itself says of a request that was refused."""
GONE = "404 (Not Found)"
"""And of a picture that was asked for a moment before its stream was removed."""
SEEN = """seen => {
  Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Tells the page whether somebody sees it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def opened(browser: Browser, address: str, **wishes: Any) -> tuple[Page, Complaints]:
    page = browser.new_page(**wishes)
    page.set_default_timeout(WAIT_MS)
    complaints = Complaints(page)
    page.goto(address)
    return page, complaints


def drawn_at(page: Page, name: str) -> float:
    found = page.wait_for_function(DRAWN_AT, arg=name, timeout=WAIT_MS).json_value()
    return float(found)


def wait_for_state(page: Page, name: str, *states: str) -> None:
    wanted = ", ".join(f'.tile[data-stream="{name}"][data-state="{state}"]' for state in states)
    page.wait_for_selector(wanted)


def test_streams_appear_move_go_and_come_back_and_so_does_the_daemon(
    browser: Browser, walk: Path, tiny_artefact: Artefact, tmp_path: Path
) -> None:
    camera_port, api_port = free_port(), free_port()
    stream = {"model": str(tiny_artefact.folder), "max_fps": 5}
    url = f"rtsp://127.0.0.1:{camera_port}/cam0"
    streams = [
        {"name": "door", "url": url, **stream},
        {"name": "film", "url": str(walk), "profile": "file", **stream},
    ]
    site = write_site(tmp_path, streams, api={"port": api_port})
    words = ("camera", walk, "--port", camera_port)
    with ExitStack() as first:
        camera = first.enter_context(running(*words, cwd=tmp_path))
        with running_daemon(site) as daemon:
            api = client_of(daemon)
            page, complaints = opened(browser, api.address)
            for name in ("door", "film"):
                wait_for_state(page, name, "live")
            begin = drawn_at(page, "door")
            moved = f"begin => Math.abs(({DRAWN_AT})('door') - begin) > 4"
            page.wait_for_function(moved, arg=begin, timeout=WAIT_MS)
            camera.kill()
            wait_for_state(page, "door", "backoff", "stalled", "connecting")
            page.wait_for_selector('.tile[data-stream="door"][data-level="bad"] .note')
            wait_for_state(page, "film", "live")
            with running(*words, cwd=tmp_path):
                wait_for_state(page, "door", "live")
                assert complaints.all == []
                assert daemon.stop() == 0
                page.wait_for_selector("#banner:not([hidden])")
                with running_daemon(site) as again:
                    client_of(again)
                    page.wait_for_selector("#banner", state="hidden")
                    wait_for_state(page, "door", "live")
                    begin = drawn_at(page, "door")
                    page.wait_for_function(moved, arg=begin, timeout=WAIT_MS)
                    assert complaints.but_absence == []
                    page.close()
                    assert again.stop() == 0


def test_a_stream_has_a_page_that_tells_all_and_takes_commands(
    browser: Browser, served: Served
) -> None:
    page, complaints = opened(browser, served.api.address)
    wait_for_state(page, "cam", "live")
    page.focus('.tile[data-stream="cam"]')
    page.keyboard.press("Enter")
    page.wait_for_selector(".stream .findings li[data-level]")
    page.wait_for_selector(".sum[data-balances=true]")
    page.wait_for_selector('.bar.inferred[d^="M"]', state="attached")
    drawn_at(page, "cam")
    page.focus(".chart")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "() => document.querySelector('.timeline .told').textContent.includes('inferred')"
    )
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector('section[data-state="paused"]')
    assert served.api.stream("cam")["paused"]
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector('section[data-state="live"]')
    page.keyboard.press("Escape")
    wait_for_state(page, "cam", "live")
    assert complaints.all == []
    page.close()


def test_the_form_for_a_new_stream_tells_what_is_wrong_where_it_is(
    browser: Browser, served: Served
) -> None:
    page, complaints = opened(browser, served.api.address)
    wait_for_state(page, "cam", "live")
    page.focus('.tile[data-stream="cam"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Add a stream")
    name, address = form.get_by_label("Name"), form.get_by_label("Address")
    add = form.get_by_role("button", name="Add")
    name.fill("porch")
    address.fill("/etc/passwd")
    form.get_by_label("Frames a second at most").press_sequentially("-")
    add.click()
    form.get_by_text("expected a number").wait_for()
    form.get_by_label("Frames a second at most").press_sequentially("5")
    add.click()
    form.get_by_text("files and webcams are for the site file").wait_for()
    form.get_by_text("got -5, expected greater than 0").wait_for()
    assert address.evaluate("it => it === document.activeElement")
    address.fill(served.spare)
    form.get_by_label("Frames a second at most").fill("")
    form.get_by_label("Model").fill("botom_up")
    add.click()
    form.get_by_text("did you mean 'bottom_up'?").wait_for()
    assert address.get_attribute("aria-invalid") is None
    form.get_by_label("Model").fill("")
    name.fill("cam")
    add.click()
    form.get_by_text("there is one of that name").wait_for()
    page.keyboard.press("Escape")
    form.wait_for(state="hidden")
    assert [text for text in complaints.all if not any(code in text for code in REFUSED)] == []
    page.close()


def test_a_stream_is_added_by_the_form_and_removed_again(browser: Browser, served: Served) -> None:
    page, complaints = opened(browser, served.api.address)
    page.get_by_role("button", name="Add a stream").click()
    form = page.get_by_role("dialog", name="Add a stream")
    filled = {
        "Name": "porch",
        "Address": served.spare,
        "Model": served.model,
        "Frames a second at most": "5",
        "User": "ada",
        "Password": "this camera wants none",
    }
    for label, text in filled.items():
        form.get_by_label(label).fill(text)
    form.get_by_role("button", name="Add").click()
    page.wait_for_selector('section[data-state="live"]')
    assert served.api.stream("porch")["max_fps"] == 5
    assert page.get_by_text("gone after a restart").is_visible()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Really remove?").click()
    page.get_by_role("button", name="Add a stream").click()
    assert form.get_by_label("Password").input_value() == "", "nothing typed is left behind"
    page.wait_for_selector('.tile[data-stream="porch"]', state="detached")
    assert [text for text in complaints.all if GONE not in text] == []
    page.close()


def test_a_tab_that_nobody_sees_hears_on_when_it_is_seen_again(
    browser: Browser, served: Served
) -> None:
    page, complaints = opened(browser, served.api.address)
    page.clock.install()
    page.goto(served.api.address)
    wait_for_state(page, "cam", "live")
    page.evaluate(SEEN, False)
    page.clock.run_for(60_000)
    page.wait_for_selector("#connection[data-state=lost]", state="attached")
    page.evaluate(SEEN, True)
    page.clock.run_for(1000)
    page.wait_for_selector("#connection[data-state=found]")
    assert complaints.all == []
    page.close()


def test_the_system_page_tells_of_stages_processes_and_sinks(
    browser: Browser, served: Served
) -> None:
    page, complaints = opened(browser, f"{served.api.address}#/system")
    for words in ("queue", "decoder-0", "jsonl"):
        page.get_by_role("rowheader", name=words).wait_for()
    assert complaints.all == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_phone(browser: Browser, served: Served, scheme: Any) -> None:
    page, complaints = opened(browser, served.api.address, viewport=PHONE, color_scheme=scheme)
    places = {
        "#/": ".tile[data-stream]",
        "#/streams/cam": ".sum[data-balances]",
        "#/system": ".card tbody tr",
    }
    for place, sign in places.items():
        page.goto(f"{served.api.address}{place}")
        page.wait_for_selector(sign)
        assert page.evaluate(FITS), place
    page.goto(served.api.address)
    page.get_by_role("button", name="Add a stream").click()
    form = page.get_by_role("dialog", name="Add a stream")
    assert form.evaluate("it => it.scrollWidth <= it.clientWidth")
    assert page.evaluate(FITS)
    assert complaints.all == []
    page.close()


def test_a_name_is_shown_as_text_and_never_run(browser: Browser, served: Served) -> None:
    page, complaints = opened(
        browser, f"{served.api.address}#/streams/%3Cimg%20src=x%20onerror=alert(1)%3E"
    )
    page.get_by_text("There is no such stream any more").wait_for()
    assert complaints.but_absence == complaints.all
    assert page.locator("main img[src=x]").count() == 0
    page.close()


def test_a_page_without_the_token_asks_for_it(
    browser: Browser, tiny_artefact: Artefact, walk: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN, "utf-8")
    streams = [{"name": "cam", "url": str(walk), "model": str(tiny_artefact.folder), "max_fps": 5}]
    wish = {"port": 0, "token": {"file": "token"}}
    with running_daemon(write_site(tmp_path, streams, api=wish)) as daemon:
        page, _ = opened(browser, client_of(daemon, TOKEN).address)
        field = page.locator("input[name=token]")
        field.fill("not-the-token-of-the-daemon")
        field.press("Enter")
        page.get_by_text("That is not the token.").wait_for()
        field.fill(TOKEN)
        field.press("Enter")
        drawn_at(page, "cam")
        page.close()
        assert daemon.stop() == 0
