"""Writes the tables of docs/accuracy.md and its plot from files in `results`.

python -m tests.bench.accuracy_page
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.bench_models import is_outdated
from tests.bench.bench_refiner import AFTER, BEFORE
from tests.bench.bench_views import DIFFERENCES, OVER
from tests.bench.marked_page import replaced
from tests.bench.report import RESULTS

DOCS = RESULTS.parents[2] / "docs"
PAGE, PLOT = DOCS / "accuracy.md", DOCS / "accuracy_time.png"
VIEWS, REFINER = "views", "refiner"
"""Parts of the page; the large table is the third one."""
TIME = "busy ms a picture"
CELLS = (
    # heading, set, figure, places
    (TIME, "coco_kp", TIME, 0),
    ("AP coco_kp", "coco_kp", "AP", 3),
    ("AP mixed_val", "mixed_val", "AP", 3),
    ("AP lspet", "lspet", "AP", 3),
    ("PCK@0.2 lspet", "lspet", "PCK@0.2", 3),
    ("found on clips", "clips", "recall", 3),
    ("ghosts on clips", "clips", "false frame share", 3),
)
SHOWN = "openvino/fp32"
"""What the plot shows where it is there: quicker than bf16 where times were measured."""
TRUTH = "truth+"
TICKS = (10, 20, 40, 80, 160, 320, 640, 1280)
"""Milliseconds."""
SIZE_INCHES = (9.0, 5.0)
DOTS_PER_INCH = 100
NAME_RATIO, NAME_AP = 4.0, 0.01
"""How far a name reaches to the right, as a factor of milliseconds, and its height."""
OURS, PEERS = "#d64545", "#2f80c2"

Rows = Mapping[str, Mapping[str, Any]]
Systems = dict[tuple[str, str], dict[str, Mapping[str, Any]]]
"""System and engine -> set -> row."""


def by_system(rows: Rows) -> Systems:
    """Rows of a system on an engine together."""
    found: Systems = defaultdict(dict)
    for row in rows.values():
        found[row["system"], row["engine"]][row["set"]] = row
    return found


def table(rows: Rows) -> str:
    """All systems: those that find people themselves, then those on the labelled boxes."""
    lines = ["| system | engine | " + " | ".join(cell[0] for cell in CELLS) + " |"]
    lines.append("|---" * (len(CELLS) + 2) + "|")
    systems = by_system(rows)
    order = sorted(systems, key=lambda key: (key[0].startswith(TRUTH), _is_peer(systems[key]), key))
    for system, engine in order:
        sets = systems[system, engine]
        name = system if _is_peer(sets) else f"**{system}**"
        lines.append(f"| {name} | {engine} | " + " | ".join(_cells(sets)) + " |")
    return "\n".join(lines) + "\n"


def _is_peer(sets: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(row["peer"] for row in sets.values())


def _cells(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for _, part, figure, places in CELLS:
        value = sets.get(part, {}).get("figures", {}).get(figure)
        yield "" if value is None else f"{value:.{places}f}"


def views_table(report: Mapping[str, Any]) -> str:
    """Systems over several views, and how far ours are above each peer."""
    words = list(report["details"][DIFFERENCES])
    values = {each["name"]: each["value"] for each in report["figures"]}
    differences = report["details"][DIFFERENCES][words[-1]]
    peers = list(dict.fromkeys(pair.split(OVER)[1] for pair in differences))
    systems = [
        name.removeprefix("AP of ").removesuffix(f", {words[0]}")
        for name in values
        if name.endswith(words[0])
    ]
    lines = ["| system | " + " | ".join(f"AP, {each}" for each in words)]
    lines[0] += "".join(f" | over {peer}" for peer in peers) + " |"
    lines.append("|---" * (1 + len(words) + len(peers)) + "|")
    for system in systems:
        cells = [f"{values[f'AP of {system}, {each}']:.3f}" for each in words]
        above = [_difference(differences.get(f"{system}{OVER}{peer}")) for peer in peers]
        name = system if system in peers else f"**{system}**"
        lines.append(f"| {name} | " + " | ".join([*cells, *above]) + " |")
    return "\n".join(lines) + "\n"


def refiner_table(report: Mapping[str, Any]) -> str:
    """What a refiner adds: AP before and after, the gain and its interval, for each part."""
    models: Mapping[str, Mapping[str, Any]] = report["details"]["models"]
    named = [part for part, gain in next(iter(models.values())).items() if isinstance(gain, dict)]
    lines = ["| system | " + " | ".join(named) + " |", "|---" * (1 + len(named)) + "|"]
    for system in sorted(models):
        cells = [_gain(models[system][part]) for part in named]
        lines.append(f"| **{system}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _gain(measured: Mapping[str, Any]) -> str:
    return f"{measured[BEFORE]:.3f} to {measured[AFTER]:.3f}, {_difference(measured)}"


def _difference(measured: Mapping[str, Any] | None) -> str:
    if measured is None:
        return ""
    low, high = measured["interval"]
    return f"{measured['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def points(rows: Rows) -> list[tuple[str, float, float, bool]]:
    """Name, milliseconds, mean AP of coco_kp and mixed_val, and whether it is a peer."""
    found = []
    for (system, engine), sets in sorted(by_system(rows).items()):
        if (
            engine == SHOWN
            and not system.startswith(TRUTH)
            and {"coco_kp", "mixed_val"} <= set(sets)
        ):
            figures = [sets[part]["figures"] for part in ("coco_kp", "mixed_val")]
            accuracy = sum(each["AP"] for each in figures) / 2
            if TIME in figures[0]:
                found.append((system, figures[0][TIME], accuracy, _is_peer(sets)))
    return found


def has_no_room(place: tuple[float, float], others: Sequence[tuple[float, float]]) -> bool:
    """Whether a name to the right would meet another dot or the edge: its place is on the left.

    Near the left edge it stays on the right.
    """
    x, y = place
    end = x * NAME_RATIO
    meets = any(x < there < end and abs(y - up) < NAME_AP for there, up in others)
    return end > TICKS[-1] or (meets and x > 2 * TICKS[0])


def draw(rows: Rows, path: Path) -> None:
    """Accuracy against time."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - drawing is rare

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    drawn = points(rows)
    for name, milliseconds, accuracy, peer in drawn:
        axes.scatter(milliseconds, accuracy, color=PEERS if peer else OURS, s=45)
        left = has_no_room((milliseconds, accuracy), [(x, y) for _, x, y, _ in drawn])
        side, offset = ("right", (-6, 4)) if left else ("left", (6, 4))
        axes.annotate(
            name, (milliseconds, accuracy), xytext=offset, textcoords="offset points", ha=side
        )
    axes.set_xscale("log")
    axes.set_xlabel(f"processor milliseconds a picture, one thread, {SHOWN} (log scale)")
    axes.set_ylabel("mean AP of coco_kp/val and mixed_val")
    axes.set_xticks(TICKS, [f"{tick}" for tick in TICKS])
    axes.set_xticks([], minor=True)
    axes.set_xlim(TICKS[0], TICKS[-1])
    axes.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def main() -> None:
    """Brings page and plot up to date."""
    measured = json.loads((RESULTS / "models.json").read_text("utf-8"))["details"]["rows"]
    rows = {key: row for key, row in measured.items() if not is_outdated(row)}
    views = json.loads((RESULTS / "views.json").read_text("utf-8"))
    page = replaced(PAGE.read_text("utf-8"), table(rows))
    page = replaced(page, views_table(views), VIEWS)
    refined = json.loads((RESULTS / "refiner.json").read_text("utf-8"))
    PAGE.write_text(replaced(page, refiner_table(refined), REFINER), "utf-8")
    draw(rows, PLOT)


if __name__ == "__main__":
    main()
