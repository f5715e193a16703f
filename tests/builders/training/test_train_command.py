"""What a run's folder tells of itself."""

from pathlib import Path
from typing import Any

import pytest

from builders.training import train_command
from builders.training.loop import TrainingRun
from builders.training.state import CHECKPOINT, RECIPE
from stream.errors import ConfigError
from tests.builders.training.test_pyramid_tasks import two_pictures
from tests.builders.training.tiny_recipe import tiny_recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    two_pictures(tmp_path)
    return tmp_path


def write_recipe(folder: Path, **changed: Any) -> Path:
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(tiny_recipe(**changed), "utf-8")
    return path


def test_a_run_that_is_killed_tells_what_it_was(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "go", killed)
    recipe, run = write_recipe(data), data / "run"
    with pytest.raises(KeyboardInterrupt):
        train_command.train_command(recipe, data=data, run=run)
    assert (run / RECIPE).read_text("utf-8") == recipe.read_text("utf-8")


@pytest.mark.slow
def test_a_recipe_that_a_run_refuses_does_not_become_its_own(data: Path) -> None:
    first, other, run = write_recipe(data), write_recipe(data, batch=1), data / "run"
    train_command.train_command(first, data=data, run=run)
    assert (run / CHECKPOINT).is_file()
    with pytest.raises(ConfigError, match="recipe"):
        train_command.train_command(other, data=data, run=run)
    assert (run / RECIPE).read_text("utf-8") == first.read_text("utf-8")
