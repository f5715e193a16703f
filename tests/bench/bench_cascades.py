"""What a frame costs in cascades by the number of people in it (`posestream bench A+B`).

    python -m tests.bench.bench_cascades [CASCADE...] [--people 1,4,8] [--seconds 8]
        [--detect-every 1,5] [--out FILE.json]

Without a name, every cascade of two models that ship. A cascade is searched in every frame and in
every fifth. Ratios are taken from one search to the next: a busy neighbour slows all of them alike.
The people are those that come along, so that nothing else is needed.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.zoo_models import list_models
from tests.bench.bench_models import TRUTH, shipped_systems
from tests.bench.report import Figure, write_report

TWO = 2


def bench(cascade: str, people: str, seconds: float, detect_every: str) -> dict[str, Any]:
    """What the command tells."""
    words = ("--people", people, "--seconds", str(seconds), "--detect-every", detect_every)
    found = subprocess.run(
        [sys.executable, "-m", "stream", "bench", cascade, *words, "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    report: dict[str, Any] = json.loads(found.stdout)
    return report


def shipped_cascades() -> list[str]:
    """Of two models, the second one top-down: what people cost is the second one's work."""
    systems = shipped_systems(list_models())
    top_down = {one.removeprefix(TRUTH) for one in systems if one.startswith(TRUTH)}
    pairs = [one.split("+") for one in systems if not one.startswith(TRUTH)]
    return ["+".join(pair) for pair in pairs if len(pair) == TWO and pair[1] in top_down]


def figures(report: dict[str, Any]) -> Iterator[Figure]:
    """The rates, and the costs over that of the fewest people."""
    title = f"{report['cascade']}, searched in one frame of {report['detect_every']}"
    for row in report["people"]:
        rate = row["frames_per_second"]
        yield Figure(f"{title}: {row['people']} people", rate, "frames/s")
    for cost in report["cost"]:
        low, high = cost["quartiles"]
        name = f"{title}: {cost['people']} people over {cost['over']}"
        yield Figure(name, cost["median"], "x", quartiles=(low, high))


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("cascades", nargs="*")
    parser.add_argument("--people", default="1,4,8")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--detect-every", default="1,5")
    parser.add_argument("--out", type=Path, default=None)
    wish = parser.parse_args()
    reports = [
        bench(cascade, wish.people, wish.seconds, every)
        for cascade in wish.cascades or shipped_cascades()
        for every in wish.detect_every.split(",")
    ]
    found = [figure for report in reports for figure in figures(report)]
    write_report("cascades", found, {"cascades": reports}, wish.out)


if __name__ == "__main__":
    main()
