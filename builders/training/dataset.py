"""Draws training examples: a set by its share, a picture, a view, pasted people, targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from builders.evaluation.people import read_rgb
from builders.training.augment import (
    AugmentSettings,
    View,
    camera_faults,
    paste,
    random_view,
)
from builders.training.labels import LabelledPicture
from builders.training.targets import TargetSettings, make_targets
from stream.errors import ConfigError

Example = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""pixels (3, S, S) uint8, heat, heat weight, offset, offset weight."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Pictures with the share of examples that begin with one of them."""

    name: str
    share: float
    pictures: Sequence[LabelledPicture]


class Examples(IterableDataset[Example]):
    """An endless, seeded stream of examples; each loader worker has its own random numbers.

    Args:
        sets: where views come from; shares need not sum to 1.
        pasted: pictures of single people that are pasted into views.
        augment: ranges of the views.
        targets: sizes of the targets.
        seed: of everything random.
    """

    def __init__(
        self,
        sets: Sequence[TrainingSet],
        pasted: Sequence[LabelledPicture],
        augment: AugmentSettings,
        targets: TargetSettings,
        seed: int,
    ) -> None:
        if not sets or any(not item.pictures for item in sets):
            raise ConfigError("each training set needs pictures; check the recipe's folders")
        self._sets, self._pasted = sets, pasted
        self._augment, self._targets, self._seed = augment, targets, seed

    def __iter__(self) -> Iterator[Example]:
        worker = get_worker_info()
        rng = np.random.default_rng((self._seed, worker.id if worker else 0))
        cv2.setNumThreads(1)
        shares = np.array([item.share for item in self._sets])
        shares /= shares.sum()
        while True:
            chosen = self._sets[rng.choice(len(shares), p=shares)]
            yield self._example(chosen.pictures[int(rng.integers(len(chosen.pictures)))], rng)

    def view(self, label: LabelledPicture, rng: np.random.Generator) -> View:
        """One augmented view of a picture, with pasted people at times."""
        view = random_view(read_rgb(label.path), label, self._augment, rng)
        if self._pasted and rng.random() < self._augment.paste:
            for _ in range(int(rng.integers(1, self._augment.most_pasted + 1))):
                other = self._pasted[int(rng.integers(len(self._pasted)))]
                view = paste(view, random_view(read_rgb(other.path), other, self._augment, rng))
        pixels = camera_faults(view.pixels, self._augment.camera, rng)
        return View(pixels, view.people, view.background)

    def _example(self, label: LabelledPicture, rng: np.random.Generator) -> Example:
        view = self.view(label, rng)
        cells = self._augment.canvas // self._targets.stride
        background = cv2.resize(view.background, (cells, cells), interpolation=cv2.INTER_AREA)
        made = make_targets(view.people, np.asarray(background, np.float32), self._targets)
        arrays = (made.heat, made.heat_weight, made.offset, made.offset_weight)
        pixels = torch.from_numpy(np.ascontiguousarray(view.pixels.transpose(2, 0, 1)))
        heat, heat_weight, offset, offset_weight = (torch.from_numpy(array) for array in arrays)
        return pixels, heat, heat_weight, offset, offset_weight
