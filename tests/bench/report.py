"""The one form of what benches write: figures, and when, on what and of which commit they are.

    {"measured": "2026-11-21", "commit": "abc1234", "hardware": "…", "details": {…},
     "figures": [{"name": "Decoding", "value": 512.5, "unit": "frames/s", "readme": true}]}

`readme_table.py` makes the table of README.md from the figures that are meant for it. All that is
not worth a line of its own stands under `details`.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engines.hardware import cpu_features
from stream.clock import Clock, SystemClock
from stream.commands.bench import hardware_line

RESULTS = Path(__file__).parent / "results"
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; its name says on its own what was measured."""

    name: str
    value: float
    unit: str
    readme: bool = False
    """Whether the README shows it: few do."""
    quartiles: tuple[float, float] | None = None
    """Of the rounds, where `value` is their median."""

    def as_json(self) -> dict[str, Any]:
        """The fields that say something, numbers rounded."""
        fields: dict[str, Any] = {"name": self.name, "value": _rounded(self.value)}
        fields["unit"] = self.unit
        if self.quartiles:
            fields["quartiles"] = [_rounded(value) for value in self.quartiles]
        return fields | ({"readme": True} if self.readme else {})


def make_report(
    bench: str, figures: Sequence[Figure], details: Mapping[str, Any], clock: Clock
) -> dict[str, Any]:
    """The content of a file: the figures, and what a reader needs to judge or repeat them."""
    around = circumstances()
    return {
        "measured": datetime.fromtimestamp(clock.wall(), UTC).date().isoformat(),
        "commit": around["commit"],
        "hardware": hardware_line(),
        "figures": [figure.as_json() for figure in figures],
        "details": {"bench": bench, **around, **details},
    }


def write_report(
    bench: str, figures: Sequence[Figure], details: Mapping[str, Any], out: Path | None
) -> None:
    """Writes the file, if one is asked for, and the same to standard output."""
    text = json.dumps(make_report(bench, figures, details, SystemClock()), indent=1) + "\n"
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    sys.stdout.write(text)


def circumstances() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cpu": asdict(cpu_features()),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def commit() -> str:
    """The commit that was measured; `-changed` if a tracked file, other than results, differs."""
    head = _git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown"
    others = (".", f":(exclude){RESULTS.relative_to(RESULTS.parent.parent.parent)}")
    changed = _git("diff", "--quiet", "HEAD", "--", *others).returncode == 1
    return f"{head}-changed" if changed else head


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    root = RESULTS.parent.parent.parent
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)


def _rounded(value: float) -> float:
    """As an integer where it is one, else to `DIGITS` places."""
    return int(value) if float(value).is_integer() else round(value, DIGITS)
