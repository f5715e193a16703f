"""A real browser for the daemon's page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.conftest import missing

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
WAIT_MS = 40_000.0
"""Long enough for a busy machine; reached only if a test fails."""
AWAY = ("net::ERR_", "503 (Service Unavailable)")
"""What Chromium itself says of requests that nobody answers, or a daemon that just ends; no page
can keep it from that."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; POSESTREAM_REQUIRE_ALL=1 forbids a skip."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    if program is None:
        missing("no Chromium: install the package chromium, or set CHROMIUM to the program")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What a page complains of: errors on the console, and exceptions that nobody caught."""

    def __init__(self, page: Page) -> None:
        self.all: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.all.append(str(error)))

    @property
    def but_absence(self) -> list[str]:
        """All but that the daemon was away."""
        return [text for text in self.all if not any(word in text for word in AWAY)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.all.append(message.text)
