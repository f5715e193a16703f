"""`posestream serve` as users run it, beside a test."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml

from stream.clock import SystemClock
from tests.command_line import running

WAIT_SECONDS = 40.0
"""Long enough for a busy machine; reached only if a test fails."""
LOOK_SECONDS = 0.02


class RunningDaemon:
    """The process, what it wrote and who its children are."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.clock = SystemClock()
        self._log: list[str] = []
        self._reader = Thread(target=self._read, name="daemon log")
        self._reader.start()

    @property
    def log(self) -> str:
        """Everything on standard error so far."""
        return "".join(self._log)

    def results(self, stream: str) -> list[dict[str, Any]]:
        """Whole lines of a stream, in all files, oldest first."""
        found = []
        for file in sorted(self.folder.glob("out/results-*")):
            lines = file.read_text("utf-8").splitlines(keepends=True)
            whole = [json.loads(line) for line in lines if line.endswith("\n")]
            found += [line for line in whole if line["stream"] == stream]
        return found

    def inferred(self, stream: str) -> list[dict[str, Any]]:
        return [line for line in self.results(stream) if line["outcome"] == "inferred"]

    def wait(self, is_there: Callable[[], object], what: str) -> None:
        """Until it is so.

        Raises:
            AssertionError: if it never is.
        """
        deadline, pause = self.clock.monotonic() + WAIT_SECONDS, Event()
        while not is_there():
            assert self.clock.monotonic() < deadline, f"never: {what}\n{self.log}"
            pause.wait(LOOK_SECONDS)

    def wait_for_results(self, stream: str, more: int = 1) -> None:
        wanted = len(self.inferred(stream)) + more
        self.wait(lambda: len(self.inferred(stream)) >= wanted, f"{more} results of {stream}")

    def wait_for_log(self, words: str, times: int = 1) -> None:
        self.wait(lambda: self.log.count(words) >= times, f"{words!r} in the log")

    @property
    def metrics_port(self) -> int:
        """Where Prometheus asks."""
        return int(self.log.partition("metrics_port=")[2].split()[0])

    def metrics(self) -> str:
        """What Prometheus gets."""
        address = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())

    def children(self) -> list[int]:
        """Ids of the processes that it started."""
        lists = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for path in lists for child in path.read_text("ascii").split()]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)

    def join(self) -> None:
        self.process.kill()
        self._reader.join(WAIT_SECONDS)

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._log.extend(iter(self.process.stderr.readline, ""))


def write_site(folder: Path, streams: list[dict[str, Any]], **sections: Any) -> Path:
    """A site of these streams, with a folder of JSONL files and a metrics port."""
    site = {
        "streams": streams,
        "sinks": [{"kind": "jsonl", "folder": "out"}],
        "metrics": {"port": 0},
        **sections,
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(site), "utf-8")
    return file


@contextmanager
def running_daemon(site: Path) -> Iterator[RunningDaemon]:
    """Serves the site; killed at the end of the block if it has not ended by then."""
    with running("serve", "-c", site, cwd=site.parent) as process:
        daemon = RunningDaemon(process, site.parent)
        try:
            yield daemon
        finally:
            daemon.join()
