"""Which networks can be trained: one line each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builders.training.bottom_up_task import BottomUpSettings, BottomUpTask
from builders.training.settings import Folders, Frozen
from builders.training.task import TrainingTask


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task's settings section and what makes the task from it."""

    settings: type[Frozen]
    make: Callable[[Any, Folders], TrainingTask]


TASKS = {
    "compact_bottom_up": TaskEntry(BottomUpSettings, BottomUpTask),
}
"""By the recipe's `network`."""
