"""No recipe of the repository and no shipped model learns from what is kept for measuring."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.training.labels import is_held_out
from builders.training.recipe import load_recipe, parse_recipe
from engines.artefact import Manifest
from engines.zoo_models import list_models
from stream.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]
RECIPES = sorted((REPOSITORY / "configs" / "train").rglob("*.yaml"))
MEASURED = "validation"
"""The one section that may name a split for measuring."""


def learnt_from(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Sections of a recipe's task that name labels to learn from, wherever they stand."""
    for name, value in task.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and name != MEASURED:
                if "annotations" in each:
                    yield each
                yield from learnt_from(each)


def held_out(path: str) -> str:
    """The same labels' other split."""
    return str(Path(path).with_name("val.json"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_learns_from_no_validation_split_and_could_not(path: Path) -> None:
    content = yaml.safe_load(path.read_text("utf-8"))
    sections = list(learnt_from(content["task"]))
    assert sections
    for number, section in enumerate(sections):
        assert not is_held_out(Path(section["annotations"])), section
        changed = copy.deepcopy(content)
        one = list(learnt_from(changed["task"]))[number]
        one["annotations"] = held_out(one["annotations"])
        with pytest.raises(ConfigError, match="a val split must not be trained on"):
            parse_recipe(changed, "recipe")


@pytest.mark.parametrize("model", list_models(), ids=lambda model: model.name)
def test_a_shipped_model_learnt_from_the_sets_of_its_recipe(model: Manifest) -> None:
    if model.training["data"] == "none":  # start weights as they are
        assert set(model.training) == {"start_weights", "data"}
        return
    recipe = load_recipe(REPOSITORY / model.training["recipe"])
    content = yaml.safe_load((REPOSITORY / model.training["recipe"]).read_text("utf-8"))
    labels = [section["annotations"] for section in learnt_from(content["task"])]
    told = [name.strip() for name in model.training["data"].split(",")]
    sets = getattr(recipe.task, "sets", ())
    assert told == [item.name for item in sets] or not sets
    assert not [name for name in (*told, *labels) if is_held_out(Path(name))]
    if "labels" in model.training:
        assert set(model.training["labels"].split(", ")) == set(labels)
