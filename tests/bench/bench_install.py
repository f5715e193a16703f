"""Seconds and megabytes of an installation, and seconds from start to exit with the first result.

    python -m tests.bench.bench_install [--out FILE.json]

Builds the wheel and installs it into an empty environment without any extra, from whatever package
index pip is set up for: a near mirror or a warm cache makes it faster.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from stream.clock import SystemClock
from tests.bare_environment import build_wheel, new_environment
from tests.bench.report import Figure, write_report


def seconds_of(action: Callable[[], object]) -> float:
    """How long it takes."""
    clock = SystemClock()
    start = clock.monotonic()
    action()
    return round(clock.monotonic() - start, 1)


def measure(folder: Path) -> list[Figure]:
    """The figures, in the order in which a user meets them."""
    wheel = build_wheel(folder)
    environment = new_environment(folder / "environment")
    install_seconds = seconds_of(lambda: environment.install(wheel))
    megabytes = round(environment.megabytes)
    environment.install(f"posestream[demo] @ {wheel.as_uri()}")

    def one_frame() -> None:
        environment.run("posestream", "run", "demo", "--max-frames", "1", "--output", "-")

    first, second = seconds_of(one_frame), seconds_of(one_frame)
    frame = "One frame of the demo, start to exit"
    return [
        Figure("Install, without extras", install_seconds, "s", readme=True),
        Figure("Size installed, without extras", megabytes, "MB", readme=True),
        Figure(f"{frame}, first time ever", first, "s", readme=True),
        Figure(f"{frame}, from then on", second, "s"),
    ]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    write_report("install", found, {}, arguments.out)


if __name__ == "__main__":
    main()
