"""Writes the table of docs/evaluation.md on where `bottom_up` stands from `results/accuracy.json`.

python -m tests.bench.error_page
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.bench.accuracy_page import DOCS
from tests.bench.marked_page import replaced
from tests.bench.report import RESULTS

PAGE = DOCS / "evaluation.md"
MENDED = ("miss", "swap", "inversion", "jitter", "false people", "missed people")
"""Kinds of errors in the order in which they are mended."""

Figures = Mapping[str, float]
Report = Mapping[str, Mapping[str, Figures]]


def table(report: Report) -> str:
    """A column for each system on each labelled set, a line for each kind of error.

    Args:
        report: set to system to figures; clips among the sets are left out.
    """
    columns = {
        f"{name}: {system}": figures
        for name, systems in report.items()
        for system, figures in systems.items()
        if "AP_after_miss" in figures
    }
    by_column = [_lines(figures) for figures in columns.values()]
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[words, *(each[words] for each in by_column)] for words in by_column[0]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _lines(figures: Figures) -> dict[str, str]:
    people = round(figures["people"])
    return {
        "AP / AR": f"{figures['AP']:.3f} / {figures['AR']:.3f}",
        **{f"AP lost to {words}": f"{lost:.3f}" for words, lost in losses(figures).items()},
        "missed people": f"{figures['missed_people']:.0f} of {people}",
        "false people": f"{figures['false_people']:.0f}",
    }


def losses(figures: Figures) -> dict[str, float]:
    """What mending each kind adds to AP, one after the other."""
    before, lost = figures["AP"], {}
    for words in MENDED:
        after = figures[f"AP_after_{words.replace(' ', '_')}"]
        lost[words], before = after - before, after
    return lost


def main() -> None:
    """Brings the page up to date."""
    details: Any = json.loads((RESULTS / "accuracy.json").read_text("utf-8"))["details"]
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), table(details["all"])), "utf-8")


if __name__ == "__main__":
    main()
