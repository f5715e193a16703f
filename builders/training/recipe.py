"""A training recipe: frozen, validated as a whole, stored beside every checkpoint."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from builders.training.augment import AugmentSettings
from builders.training.labels import TeacherLimits
from builders.training.losses import LossWeights
from builders.training.targets import TargetSettings
from stream.errors import ConfigError


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SetRecipe(_Frozen):
    """One labelled set; paths are relative to the data folder given on the command line."""

    name: str
    kind: Literal["coco", "clip"]
    annotations: Path
    pictures: Path
    share: float = Field(ge=0)
    """Share of the examples that begin with one of its pictures; 0 = only pasted."""
    background: float = Field(ge=0, le=1, default=1.0)
    """How surely an unlabelled place is background."""
    tiers: tuple[str, ...] = ()
    """Licence tiers to take; empty = all."""


class Recipe(_Frozen):
    """All that determines a run: the same recipe and seed give the same loss curve."""

    name: str
    network: Literal["compact_bottom_up"]
    guide_channels: int = 32
    regression_channels: int = 64
    start_weights: Path | None = None
    """MoveNet MultiPose graph for the trunk, relative to the data folder."""
    seed: int = 0
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    head_steps: int = 0
    """Steps at the beginning in which the trunk stands still."""
    warmup_steps: int = 100
    head_rate: float = 1e-3
    trunk_rate: float = 2e-4
    """Of what came with start weights, relative to the root mean square of each tensor."""
    ema_decay: float = 0.998
    checkpoint_every: int = 250
    evaluate_every: int = 1000
    workers: int = 1
    sets: tuple[SetRecipe, ...]
    pasted: tuple[str, ...] = ()
    """Names of sets whose people are pasted into other pictures."""
    validation: tuple[str, ...] = ()
    """Labelled sets whose `val` split gives the accuracy curve."""
    teacher: TeacherLimits = TeacherLimits()
    augment: AugmentSettings = AugmentSettings()
    targets: TargetSettings = TargetSettings()
    loss: LossWeights = LossWeights()


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe.

    Raises:
        ConfigError: with all faults of the file at once.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"recipe {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"recipe {path}: {error}") from error
