"""Trains HGG's scoring net on poses that a network found in training pictures.

Source: HGG's released code: mean squared error against the OKS with the best labelled person.
"""

from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn

from builders.evaluation.coco_eval import average_precision
from builders.networks.scoring_net import ScoringNet, pose_features, rescored, scoring_loss
from builders.training.labels import is_held_out
from builders.training.scored_poses import (
    PosesWithOks,
    ScoredPoses,
    read_poses_with_oks,
    read_scored_poses,
)
from builders.training.settings import Folders, Frozen, SetRecipe
from builders.training.task import Losses, TrainingTask


class PosesRecipe(Frozen):
    """Poses found and the labels of their pictures; paths are relative to the data folder."""

    poses: Path
    """COCO's keypoint results."""
    annotations: Path
    """COCO's labels."""


class ShownSet(SetRecipe):
    """Training pictures in which models are to find poses (`builders.found_poses`)."""

    share: float = 1.0
    views: int = Field(ge=1, default=4)
    """Of each picture."""


class ScoringSettings(Frozen):
    """The recipe's `task` section."""

    train: PosesRecipe | None = None
    found: tuple[Path, ...] = ()
    """Instead of `train`: files of `builders.found_poses`, from the folder that holds the run's."""
    sets: tuple[ShownSet, ...] = ()
    """In which those poses were found."""
    usual_oks: float | None = Field(default=None, gt=0, lt=1)
    """Poses of which this is predicted keep their score (`ScoringGraph`); None: the paper's."""
    validation: PosesRecipe | None = None
    measured: tuple[str, ...] = ()
    """Labelled sets whose `val` split the released net is measured on."""

    @model_validator(mode="after")
    def _learns_from_training_pictures(self) -> Self:
        if (self.train is None) == (not self.found):
            raise ValueError("expected either `train` or `found`: poses to learn from")
        if self.found and not self.sets:
            raise ValueError("sets: expected those in which the poses were found")
        if self.train is not None and is_held_out(self.train.annotations):
            raise ValueError(f"{self.train.annotations}: a val split must not be trained on")
        return self


class ScoringTask(TrainingTask):
    """See `TrainingTask`."""

    def __init__(self, settings: ScoringSettings, folders: Folders) -> None:
        self._settings, self._folders = settings, folders

    def build(self) -> nn.Module:
        """The net, at random."""
        return ScoringNet()

    def examples(self) -> "ScoringExamples":
        """See `TrainingTask.examples`."""
        if self._settings.train is not None:
            return ScoringExamples(self._read(self._settings.train).with_oks())
        folder = self._folders.run.resolve().parent
        return ScoringExamples(
            read_poses_with_oks([folder / path for path in self._settings.found])
        )

    def loss(self, network: nn.Module, batch: Any, random: Generator) -> Losses:
        """Squared error of the predicted OKS."""
        predicted = network(pose_features(batch["pose"])).float()
        error = scoring_loss(predicted, batch["oks"])
        return error, {"oks": error}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """`heat ...` of the poses' own scores, `rescored ...` of predicted OKS times score.

        AP, and the rank correlation of score and true OKS.
        """
        if self._settings.validation is None:
            return {}
        found = self._read(self._settings.validation)
        with torch.no_grad():
            poses, scores = torch.from_numpy(found.poses), torch.from_numpy(found.scores)
            device = next(network.parameters()).device
            own = cast(ScoringNet, network)
            new = rescored(own, poses.to(device), scores.to(device)).cpu().numpy()
        figures = {}
        for words, values in (("heat", found.scores), ("rescored", new)):
            figures[f"{words} AP"] = average_precision(found.labels, found.people(values))
            figures[f"{words} rank correlation"] = rank_correlation(values, found.oks)
        return figures

    def _read(self, section: PosesRecipe) -> ScoredPoses:
        data = self._folders.data
        return read_scored_poses(data / section.poses, data / section.annotations)


class ScoringExamples:
    """Single poses with their OKS.

    Args:
        found: of training pictures.
    """

    def __init__(self, found: PosesWithOks) -> None:
        self._found = found

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One example."""
        row = int(rng.integers(len(self._found.poses)))
        pose = torch.from_numpy(self._found.poses[row])
        return {"pose": pose, "oks": torch.tensor(self._found.oks[row])}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's, of two rows of numbers; equal ones share the mean of their ranks."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum()
    middle = last - (count - 1) / 2
    return np.asarray(middle[index])
