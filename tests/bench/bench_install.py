"""Seconds and megabytes of an installation, and seconds from start to exit with the first result.

    python -m tests.bench.bench_install [--out FILE.json]

Builds the wheel and installs it into an empty environment without any extra, from whatever package
index pip is set up for: a near mirror or a warm cache makes it faster.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stream.clock import SystemClock
from tests.bare_environment import build_wheel, new_environment


def seconds_of(action: Callable[[], object]) -> float:
    """How long it takes."""
    clock = SystemClock()
    start = clock.monotonic()
    action()
    return round(clock.monotonic() - start, 1)


def measure(folder: Path) -> list[dict[str, Any]]:
    """The figures, in the order in which a user meets them."""
    wheel = build_wheel(folder)
    environment = new_environment(folder / "environment")
    install_seconds = seconds_of(lambda: environment.install(wheel))
    megabytes = round(environment.megabytes)
    environment.install(f"posestream[demo] @ {wheel.as_uri()}")

    def one_frame() -> None:
        environment.run("posestream", "run", "demo", "--max-frames", "1", "--output", "-")

    first, second = seconds_of(one_frame), seconds_of(one_frame)
    return [
        {"name": "Install, without extras", "value": install_seconds, "unit": "s"},
        {"name": "Size installed, without extras", "value": megabytes, "unit": "MB"},
        {
            "name": "One frame of the demo, start to exit, first time ever",
            "value": first,
            "unit": "s",
        },
        {
            "name": "One frame of the demo, start to exit, from then on",
            "value": second,
            "unit": "s",
        },
    ]


def hardware() -> str:
    """The processor and how many of its cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.machine()}"


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    head = ["git", "rev-parse", "--short", "HEAD"]
    with tempfile.TemporaryDirectory() as folder:
        report = {
            "measured": datetime.now(UTC).date().isoformat(),
            "commit": subprocess.run(
                head, capture_output=True, text=True, check=True
            ).stdout.strip(),
            "hardware": hardware(),
            "versions": {"python": platform.python_version()},
            "figures": measure(Path(folder)),
        }
    text = json.dumps(report, indent=1) + "\n"
    if arguments.out:
        arguments.out.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
