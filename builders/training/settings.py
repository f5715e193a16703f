"""What the settings sections of all tasks are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from builders.training.labels import TeacherLimits, is_held_out


class Frozen(BaseModel):
    """A settings section: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run reads and writes."""

    data: Path
    """What the recipe's paths are relative to."""
    run: Path
    """Checkpoints, curves, and frames of clips."""


class SetRecipe(Frozen):
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
    taught: Path | None = None
    """Joints of a better teacher instead of the file's (`builders.training.relabel`), relative to
    the folder that this run lies in."""

    @model_validator(mode="after")
    def _is_no_validation_split(self) -> Self:
        if is_held_out(self.annotations):
            raise ValueError(f"{self.annotations}: a val split must not be trained on")
        return self


class DataSettings(Frozen):
    """Labelled pictures to learn from and to measure on."""

    sets: tuple[SetRecipe, ...] = Field(min_length=1)
    validation: tuple[str, ...] = ()
    """Labelled sets whose `val` split gives the accuracy curve."""
    teacher: TeacherLimits = TeacherLimits()


class StartSettings(Frozen):
    """How a network learns that partly starts from trained weights."""

    head_steps: int = Field(ge=0, default=0)
    """Steps at the beginning in which what came with start weights stands still."""
    trunk_rate: float = Field(ge=0, default=2e-4)
    """Of what came with start weights, relative to the root mean square of each tensor; 0 = it
    stands still."""
    rate_by_output: bool = False
    """Relative to that of each output of a tensor instead: see `RelativeAdam`."""


class KeptSettings(Frozen):
    """Whether a trunk stands still so that its maps are made only once."""

    kept_crops: int = Field(ge=0, default=0)
    """Crops that are drawn once; the maps that a compact trunk makes of them are kept on disk, and
    a step runs what stands on the trunk alone. 0 = crops are drawn anew, the trunk is run."""

    @model_validator(mode="after")
    def _keeps_maps_of_a_trained_trunk(self) -> Self:
        trunk: Any = getattr(self, "trunk", None)
        kind, start = getattr(trunk, "kind", None), getattr(trunk, "start_weights", None)
        if self.kept_crops and (kind != "compact" or start is None):
            raise ValueError("kept_crops: the trunk must be compact and have start_weights")
        return self
