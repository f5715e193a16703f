"""Draws views of labelled pictures: a set by its share, a picture, a view, pasted people, faults.

For networks that see whole canvases; what they learn is made from a `View`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from builders.evaluation.people import read_rgb
from builders.training.augment import (
    AugmentSettings,
    View,
    camera_faults,
    paste,
    random_view,
)
from builders.training.labels import LabelledPicture
from stream.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Pictures with the share of examples that begin with one of them."""

    name: str
    share: float
    pictures: Sequence[LabelledPicture]


class Views:
    """An endless row of augmented views.

    Args:
        sets: where views come from; shares need not sum to 1, those of share 0 are left out.
        pasted: names of sets whose single people are pasted into views.
        augment: ranges of the views.
    """

    def __init__(
        self, sets: Sequence[TrainingSet], pasted: Sequence[str], augment: AugmentSettings
    ) -> None:
        self._drawn = [item for item in sets if item.share > 0]
        if not self._drawn or any(not item.pictures for item in sets):
            raise ConfigError("each training set needs pictures; check the recipe's folders")
        self._pasted = [p for item in sets if item.name in pasted for p in item.pictures]
        self._augment = augment
        shares = np.array([item.share for item in self._drawn])
        self._shares = shares / shares.sum()

    def draw(self, rng: np.random.Generator) -> View:
        """One augmented view of a picture, with pasted people at times."""
        pictures = self._drawn[int(rng.choice(len(self._shares), p=self._shares))].pictures
        return self.view(pictures[int(rng.integers(len(pictures)))], rng)

    def view(self, label: LabelledPicture, rng: np.random.Generator) -> View:
        """A view of a certain picture."""
        view = random_view(read_rgb(label.path), label, self._augment, rng)
        if self._pasted and rng.random() < self._augment.paste:
            for _ in range(int(rng.integers(1, self._augment.most_pasted + 1))):
                other = self._pasted[int(rng.integers(len(self._pasted)))]
                view = paste(view, random_view(read_rgb(other.path), other, self._augment, rng))
        if self._augment.camera == 0:
            return view
        pixels = camera_faults(view.pixels, self._augment.camera, rng)
        return View(pixels, view.people, view.background)
