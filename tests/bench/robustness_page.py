"""Writes the tables of docs/robustness.md and its plot from `results/robustness.json`.

python -m tests.bench.robustness_page
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders.evaluation.robustness import FAULTS
from tests.bench.accuracy_page import DOCS
from tests.bench.marked_page import replaced
from tests.bench.report import RESULTS

PAGE, PLOT = DOCS / "robustness.md", DOCS / "robustness.png"
SIZE_INCHES = (13.0, 6.5)
DOTS_PER_INCH = 80
COLOURS = ("#d64545", "#2f80c2", "#8159c9", "#f0b429", "#3d9a50")
MARKS = ("o-", "s--", "^:")
"""Of the first systems, of the next ones, and so on: as many as there are colours each."""

Rows = Mapping[str, Mapping[str, Any]]


def tables(rows: Rows) -> str:
    """A table for each fault: level by level, AP and false people of each system."""
    systems = list(dict.fromkeys(row["system"] for row in rows.values()))
    lines: list[str] = []
    for name, fault in FAULTS.items():
        own = {row["system"]: row["levels"] for row in rows.values() if row["fault"] == name}
        if not own:
            continue
        known = [system for system in systems if system in own]
        lines += [f"| {name}: {fault.words} | " + " | ".join(known) + " |"]
        lines += ["|---" * (len(known) + 1) + "|"]
        for place, level in enumerate(fault.levels):
            cells = [_cell(own[system][place]) for system in known]
            lines.append(f"| {level:g} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(level: Mapping[str, float]) -> str:
    return f"{level['AP']:.3f} / {level['false people']:.0f}"


def draw(rows: Rows, path: Path) -> None:
    """A panel for each fault: AP against its levels."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - drawing is rare

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    panels = figure.subplots(2, len(FAULTS) // 2, sharey=True).ravel()
    systems = list(dict.fromkeys(row["system"] for row in rows.values()))
    for panel, (name, fault) in zip(panels, FAULTS.items(), strict=True):
        for row in (row for row in rows.values() if row["fault"] == name):
            accuracy = [level["AP"] for level in row["levels"]]
            number = systems.index(row["system"])
            colour = COLOURS[number % len(COLOURS)]
            mark = MARKS[number // len(COLOURS) % len(MARKS)]
            panel.plot(range(len(accuracy)), accuracy, mark, color=colour, label=row["system"])
        panel.set_xticks(range(len(fault.levels)), [f"{level:g}" for level in fault.levels])
        panel.set_title(f"{name} ({fault.words})", fontsize=9)
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylim(
        0, max(level["AP"] for row in rows.values() for level in row["levels"]) + 0.02
    )
    shown = {
        name: line
        for p in panels
        for line, name in zip(*p.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.supylabel("AP on coco_kp/val and mixed_val")
    figure.savefig(path, dpi=DOTS_PER_INCH)


def main() -> None:
    """Brings page and plot up to date."""
    rows = json.loads((RESULTS / "robustness.json").read_text("utf-8"))["details"]["rows"]
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), tables(rows)), "utf-8")
    draw(rows, PLOT)


if __name__ == "__main__":
    main()
