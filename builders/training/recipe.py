"""A training recipe: frozen, validated as a whole, stored beside every checkpoint."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, SerializeAsAny, ValidationError

from builders.training.settings import Folders, Frozen
from builders.training.still_trunk import KeptOrder, OnStillTrunk
from builders.training.task import TrainingTask
from builders.training.task_table import TASKS
from stream.errors import ConfigError

M = TypeVar("M", bound=Frozen)


class Warmup(Frozen):
    """The first steps of every parameter group."""

    steps: int = Field(ge=0, default=0)
    share: float = Field(ge=0, le=1, default=0.0)
    """Of the rate at the first step; grows evenly from there."""
    constant: bool = False
    """The share holds until `steps`, then the full rate follows (SMPR)."""


class Cosine(Frozen):
    """Half a cosine from the full rate to `floor`, over all steps."""

    kind: Literal["cosine"] = "cosine"
    floor: float = Field(ge=0, default=0.01)
    """Share that is added throughout."""


class Milestones(Frozen):
    """The rate times `factor` at each of some steps."""

    kind: Literal["milestones"] = "milestones"
    at: tuple[int, ...]
    factor: float = Field(gt=0, le=1, default=0.1)


class OptimizerSettings(Frozen):
    """How a gradient becomes a step."""

    kind: Literal["adam", "sgd"] = "adam"
    momentum: float = Field(ge=0, lt=1, default=0.9)
    """Of sgd."""
    weight_decay: float = Field(ge=0, default=0.0)
    clip_norm: float | None = Field(gt=0, default=1.0)
    """Largest norm of the whole gradient; null for none."""


class Recipe(Frozen):
    """All that determines a run: the same recipe and seed give the same loss curve."""

    name: str
    network: str
    """Which task trains it; `task` holds the settings of that one."""
    seed: int = Field(ge=0, default=0)
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    """Examples of a step in each process."""
    rate: float = Field(gt=0)
    schedule: Cosine | Milestones = Field(default=Cosine(), discriminator="kind")
    warmup: Warmup = Warmup()
    optimizer: OptimizerSettings = OptimizerSettings()
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    """Of the forward pass; fp16 (CUDA only) scales the loss."""
    ema_decay: float = Field(ge=0, lt=1, default=0.998)
    """Of the averaged weights, which are what is measured; 0 = the last weights."""
    checkpoint_every: int = Field(gt=0, default=250)
    evaluate_every: int = Field(gt=0, default=1000)
    workers: int = Field(ge=0, default=1)
    """Loader processes; the examples do not depend on their number."""
    task: SerializeAsAny[Frozen]


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe.

    Raises:
        ConfigError: with all faults of the file at once.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"recipe {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"recipe {path}: expected keys and values, got {content!r}")
    return parse_recipe(content, f"recipe {path}")


def parse_recipe(content: dict[str, Any], title: str) -> Recipe:
    """Checks the content of a recipe.

    Args:
        content: as read.
        title: begins the message of an error.

    Raises:
        ConfigError: with all faults at once.
    """
    faults: list[str] = []
    section: Any = Frozen()
    entry = TASKS.get(str(content.get("network")))
    if entry is None:
        names = ", ".join(sorted(TASKS))
        faults.append(f"network: {content.get('network')!r} is not among {names}")
    else:
        section = _checked(entry.settings, content.get("task", {}), ("task",), faults) or section
    recipe = _checked(Recipe, {**content, "task": section}, (), faults)
    if faults or recipe is None:
        raise ConfigError(f"{title}: " + "; ".join(faults))
    return recipe


def make_task(recipe: Recipe, folders: Folders) -> TrainingTask:
    """The task of a recipe; reads nothing yet."""
    task = TASKS[recipe.network].make(recipe.task, folders)
    count: int = getattr(recipe.task, "kept_crops", 0)
    if not count:
        return task
    order = KeptOrder(count, half=recipe.precision == "bf16")
    return OnStillTrunk(task, recipe.task, folders, order)


def _checked(model: type[M], content: Any, place: tuple[str, ...], faults: list[str]) -> M | None:
    """The model, or None and one line in `faults` for each fault."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        schema = model.model_json_schema()
        faults += [_fault(each, schema, place) for each in error.errors()]
        return None


def _fault(error: Mapping[str, Any], schema: dict[str, Any], place: tuple[str, ...]) -> str:
    where = ".".join(str(part) for part in (*place, *error["loc"])) or "recipe"
    if error["type"] not in {"extra_forbidden", "unexpected_keyword_argument"}:
        message = error["msg"].removeprefix("Value error, ")
        given = error["input"]
        shown = "" if isinstance(given, dict | list | Frozen) else f", got {given!r}"
        return f"{where}: {message}{shown}"
    near = get_close_matches(str(error["loc"][-1]), _names_at(schema, error["loc"][:-1]), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{where}: no such setting{meant}"


def _names_at(schema: dict[str, Any], location: tuple[int | str, ...]) -> list[str]:
    """Names of the settings of the section at a location of a JSON schema."""
    nodes = [schema]
    for part in location:
        nodes = [child for node in _whole(nodes, schema) for child in _children(node, part)]
    return [name for node in _whole(nodes, schema) for name in node.get("properties", ())]


def _whole(nodes: list[dict[str, Any]], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes with references and alternatives followed."""
    found: list[dict[str, Any]] = []
    for node in nodes:
        if "$ref" in node:
            found += _whole([schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]], schema)
        choices = [*node.get("anyOf", ()), *node.get("oneOf", ())]
        found += [node, *_whole(choices, schema)]
    return found


def _children(node: dict[str, Any], part: int | str) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [node["items"]] if "items" in node else list(node.get("prefixItems", ()))
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    # The name of an alternative is part of pydantic's location, not of the schema.
    return [node] if "properties" in node else []
