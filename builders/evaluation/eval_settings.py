"""What `posestream eval` was asked to do."""

from dataclasses import dataclass
from pathlib import Path

from builders.evaluation.labels import LabelledSet
from builders.evaluation.pck import PckScale
from builders.evaluation.systems import SystemChoice


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """One evaluation."""

    system: SystemChoice
    labelled: LabelledSet
    errors: bool = False
    """Adds the section `errors`."""
    crowd: bool = False
    """Adds the section `crowd`."""
    pck: PckScale | None = None
    """Adds the section `pck`."""
    json_path: Path | None = None
    plot_path: Path | None = None
    quiet: bool = False
