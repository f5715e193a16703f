"""The record of a run: one line of JSON a step, the curves as a picture, TensorBoard if there."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from builders.training.curves import draw_curves

HISTORY = "history.jsonl"
CURVES = "curves.png"

Entry = dict[str, float]
"""`step`, `loss` and its parts; at times accuracies, whose names hold a space."""


class History:
    """Entries of all steps so far.

    Args:
        folder: of the run.
        step: the last one that counts; later lines of an interrupted run are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._folder = folder
        self._board = _tensorboard(folder)
        path = folder / HISTORY
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.entries: list[Entry] = [e for e in map(json.loads, lines) if e["step"] <= step]
        self._written = 0

    def add(self, entry: Entry) -> None:
        """One more step."""
        self.entries.append(entry)
        for name, value in entry.items() if self._board else ():
            self._board.add_scalar(name, value, int(entry["step"]))

    def write(self, title: str) -> None:
        """Brings the files up to date."""
        new = "".join(json.dumps(entry) + "\n" for entry in self.entries[self._written :])
        mode = "a" if self._written else "w"
        with (self._folder / HISTORY).open(mode, encoding="utf-8") as file:
            file.write(new)
        self._written = len(self.entries)
        draw_curves(self.entries, self._folder / CURVES, title)

    def close(self) -> None:
        """Ends TensorBoard's file."""
        if self._board:
            self._board.close()


def _tensorboard(folder: Path) -> Any:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - not always installed

    return SummaryWriter(str(folder / "tensorboard"))
