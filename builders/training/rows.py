"""The row of examples of a run: seeded, the same for any number of loader processes."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from builders.training.processes import Rank
from builders.training.recipe import Recipe
from builders.training.task import Examples, TrainingTask


class ExampleRow(IterableDataset[Any]):
    """Examples from a step on; number n comes from the random numbers of (seed, n) alone.

    Args:
        examples: what is drawn.
        recipe: its seed and batch.
        rank: of this process; each takes batches of its own.
        step: the first one.
    """

    def __init__(self, examples: Examples, recipe: Recipe, rank: Rank, step: int) -> None:
        self._examples, self._recipe, self._rank, self._step = examples, recipe, rank, step

    def __iter__(self) -> Iterator[Any]:
        # Loader process w of W fills batches w, w + W, ...: the loader takes them in turn.
        cv2.setNumThreads(1)
        worker = get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker else (0, 1)
        seed, batch = self._recipe.seed, self._recipe.batch
        for step in range(self._step + first, self._recipe.steps, every):
            start = (step * self._rank.count + self._rank.index) * batch
            for number in range(start, start + batch):
                yield self._examples.draw(np.random.default_rng((seed, number)))


def batches(task: TrainingTask, recipe: Recipe, rank: Rank, step: int) -> "DataLoader[Any]":
    """Collated batches of a process from `step` to the recipe's last."""
    with rank.leader_first():  # it decodes clips for all
        row = ExampleRow(task.examples(), recipe, rank, step)
    return DataLoader(row, recipe.batch, num_workers=recipe.workers, collate_fn=task.collate)
