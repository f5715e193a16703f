"""A real Prometheus of a test's own, with the configuration that posestream ships."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import yaml

from stream.clock import SystemClock
from tests.free_ports import free_port

SHIPPED = Path(__file__).parent.parent / "deploy" / "prometheus"
WAIT_SECONDS = 60.0
"""Long enough for a busy machine; reached only if a test fails."""
SCRAPE_INTERVAL = "500ms"


class RunningPrometheus:
    """One server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that answer now.

        Raises:
            urllib.error.HTTPError: if Prometheus cannot parse it.
        """
        words = urllib.parse.urlencode({"query": expression})
        address = f"http://127.0.0.1:{self._port}/api/v1/query?{words}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def wait(self, is_there: Callable[[], object]) -> bool:
        """Whether it is so before long."""
        clock, pause = SystemClock(), Event()
        deadline = clock.monotonic() + WAIT_SECONDS
        while clock.monotonic() < deadline:
            with suppress(OSError):
                if is_there():
                    return True
            pause.wait(0.2)
        return False

    def is_ready(self) -> bool:
        """Raises OSError until it listens."""
        address = f"http://127.0.0.1:{self._port}/-/ready"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)


def write_config(folder: Path, targets: dict[str, int]) -> Path:
    """The shipped configuration, in a hurry, asking these ports: name of the job -> port."""
    config = yaml.safe_load((SHIPPED / "prometheus.yaml").read_text("utf-8"))
    config["global"] = dict.fromkeys(("scrape_interval", "evaluation_interval"), SCRAPE_INTERVAL)
    config["rule_files"] = [str(SHIPPED / name) for name in config["rule_files"]]
    config["scrape_configs"] = [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in targets.items()
    ]
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    return file


@contextmanager
def running_prometheus(folder: Path, targets: dict[str, int]) -> Iterator[RunningPrometheus]:
    """Scrapes the targets until the end of the block."""
    program, port = shutil.which("prometheus"), free_port()
    assert program, "no prometheus: apt-get install prometheus"
    command = [
        program,
        f"--config.file={write_config(folder, targets)}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with process:
        try:
            prometheus = RunningPrometheus(port)
            assert prometheus.wait(prometheus.is_ready)
            yield prometheus
        finally:
            process.kill()
