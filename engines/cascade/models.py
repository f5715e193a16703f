"""What a user may write for models: `bottom_up`, `detector+graph_pcnn`, `smpr+posefix`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from engines.artefact import Artefact, StageName, Thresholds
from engines.zoo_models import SHORT_NAMES, find_model
from stream.errors import ConfigError

JOINT = "+"
"""Between the models of a cascade."""
_JOINTS = re.compile(r"[+,]")

POSE_CASCADES: tuple[tuple[StageName, ...], ...] = (
    ("one_pass",),
    ("one_pass", "refiner"),
    ("one_pass", "top_down"),
    ("one_pass", "top_down", "refiner"),
    ("detector", "top_down"),
    ("detector", "top_down", "refiner"),
)
"""Stages that go together and find poses."""
CASCADES: tuple[tuple[StageName, ...], ...] = (
    *POSE_CASCADES,
    *((*stages, "scorer") for stages in POSE_CASCADES),
)
"""Likewise, and those whose poses get other scores at the end."""


@dataclass(frozen=True, slots=True)
class CascadeModels:
    """Models that go together, in their order; one alone finds poses in one pass."""

    artefacts: tuple[Artefact, ...]

    def __post_init__(self) -> None:
        """Refuses what does not fit together."""
        if self.stages not in CASCADES:
            raise ConfigError(misfit(self.artefacts))

    @property
    def stages(self) -> tuple[StageName, ...]:
        """What each model is."""
        return tuple(artefact.manifest.stage for artefact in self.artefacts)

    @property
    def name(self) -> str:
        """As a user writes it, and as it stands in results."""
        return JOINT.join(artefact.manifest.name for artefact in self.artefacts)

    @property
    def first(self) -> Artefact:
        """Finds people in whole frames."""
        return self.artefacts[0]

    @property
    def scoring(self) -> Artefact:
        """Whose thresholds say who is a person: the last model that finds poses.

        A scorer gives scores of the same meaning.
        """
        return self.of("top_down") or self.first

    @property
    def thresholds(self) -> Thresholds:
        """What counts as a person at the end."""
        return self.scoring.manifest.thresholds

    @property
    def onnx_sha256(self) -> str:
        """Of all graphs."""
        return JOINT.join(artefact.manifest.onnx_sha256 for artefact in self.artefacts)

    def of(self, stage: StageName) -> Artefact | None:
        """The model of a stage, if there is one."""
        found = [one for one in self.artefacts if one.manifest.stage == stage]
        return found[0] if found else None


def split_models(text: str) -> tuple[str, ...]:
    """Names or folders of `a+b+c`, short names written out; commas do as well.

    A folder with such a sign is taken whole.

    Raises:
        ConfigError: if a name is missing.
    """
    if text and Path(text).is_dir():
        return (text,)
    names = tuple(name.strip() for name in _JOINTS.split(text))
    names = tuple(one for name in names for one in SHORT_NAMES.get(name, name).split(JOINT))
    if not all(names):
        raise ConfigError(
            f"model {text!r}: expected a name, or names with one {JOINT} between, as in "
            "detector+graph_pcnn"
        )
    return names


def find_cascade(text: str) -> CascadeModels:
    """The models of `a+b+c`, by name or folder.

    Raises:
        ArtefactError: if one is unknown (the nearest name is suggested) or not whole.
        ConfigError: if a name is missing, or the models do not go together.
    """
    return CascadeModels(tuple(find_model(name) for name in split_models(text)))


def portable_name(text: str) -> str:
    """`a+b+c` whose folders are found from anywhere; names stay names.

    Raises:
        ConfigError: if a name is missing.
    """
    names = split_models(text)
    return JOINT.join(str(Path(name).resolve()) if Path(name).is_dir() else name for name in names)


def misfit(artefacts: tuple[Artefact, ...]) -> str:
    """What is wrong with models that do not go together."""
    models = f" {JOINT} ".join(f"{a.manifest.name} ({a.manifest.stage})" for a in artefacts)
    stages = tuple(artefact.manifest.stage for artefact in artefacts)
    fitting = "; ".join(f" {JOINT} ".join(cascade) for cascade in POSE_CASCADES)
    return (
        f"cannot run {models}: {_remedy(stages)}; what goes together: {fitting}; "
        "a scorer may stand behind each"
    )


_FIRST: Mapping[StageName, str] = MappingProxyType(
    {
        "top_down": "a top-down model is shown one person at a time; put a detector in front of it",
        "refiner": "a refiner needs poses to refine; put a model in front of it that finds them",
        "scorer": "a scorer needs poses to score; put a model in front of it that finds them",
    }
)
"""Why these do not stand first."""


def _remedy(stages: tuple[StageName, ...]) -> str:
    if stages == ("detector",):
        return "a detector finds boxes only; put a top-down model behind it"
    if stages[0] in _FIRST:
        return _FIRST[stages[0]]
    if "scorer" in stages[:-1]:
        return "a scorer stands last"
    if "one_pass" in stages[1:] or "detector" in stages[1:]:
        return "a model that looks at whole frames stands first"
    return "stages in another order, or twice"
