"""Writes the Numbers table of README.md from the JSON files in `results/`.

    python -m tests.bench.readme_table

A file holds figures that were measured together: `measured` (a date), `commit`, `hardware`, and
`figures`, each with `name`, `value` and `unit` (`report.py` writes them). The table shows those
that say `"readme": true`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.marked_page import replaced
from tests.bench.report import RESULTS

README = RESULTS.parent.parent.parent / "README.md"
NUMBERS = "numbers"
"""The part of the README between marks of that name."""
HEAD = "| What | Figure | Measured on | File |\n|---|---|---|---|\n"


def table(folder: Path) -> str:
    """The table of all JSON files of a folder, as Markdown."""
    return HEAD + "".join(row for path in sorted(folder.glob("*.json")) for row in _rows(path))


def written(readme: str, folder: Path = RESULTS) -> str:
    """The README's text with the table as the files of a folder have it.

    Raises:
        ValueError: if a mark is missing.
    """
    return replaced(readme, table(folder), NUMBERS)


def _rows(path: Path) -> Iterator[str]:
    run: dict[str, Any] = json.loads(path.read_text("utf-8"))
    where = f"{run['hardware']}; {run['measured']}, commit {run['commit']}"
    link = f"[{path.name}](tests/bench/results/{path.name})"
    for figure in run["figures"]:
        if not figure.get("readme"):
            continue
        value = f"{figure['value']:.4g} {figure['unit']}".strip()
        yield f"| {figure['name']} | {value} | {where} | {link} |\n"


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
