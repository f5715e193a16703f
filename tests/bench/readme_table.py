"""Writes the Numbers table of README.md from the JSON files in `results/`.

    python tests/bench/readme_table.py

A file holds figures that were measured together: `measured` (a date), `commit`, `hardware`, and
`figures`, each with `name`, `value` and `unit` (`report.py` writes them). The table shows those
that say `"readme": true`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = RESULTS.parent.parent.parent / "README.md"
BEGIN, END = "<!-- numbers: begin -->\n", "<!-- numbers: end -->"
HEAD = "| What | Figure | Measured on | File |\n|---|---|---|---|\n"


def table(folder: Path) -> str:
    """The table of all JSON files of a folder, as Markdown."""
    return HEAD + "".join(row for path in sorted(folder.glob("*.json")) for row in _rows(path))


def replaced(readme: str, new_table: str) -> str:
    """The README's text with another table between the markers.

    Raises:
        ValueError: if a marker is missing.
    """
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"README.md lacks the lines {BEGIN.strip()} and {END}")
    return f"{before}{BEGIN}{new_table}{END}{after}"


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
    README.write_text(replaced(README.read_text("utf-8"), table(RESULTS)), "utf-8")
