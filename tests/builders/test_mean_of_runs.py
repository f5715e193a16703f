"""The mean of runs is a run: what alike runs learnt, averaged, and no others."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from builders.mean_of_runs import main, mean_weights
from builders.release import trained_network
from builders.training.checkpoint import averaged_weights
from builders.training.loop import Place, train
from builders.training.recipe import load_recipe, make_task
from builders.training.settings import Folders
from stream.errors import ConfigError
from tests.builders.training.test_pyramid_tasks import two_pictures
from tests.builders.training.tiny_recipe import tiny_recipe

VALUES = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=5)


@given(VALUES)
def test_floats_are_averaged_and_counts_kept(values: list[float]) -> None:
    states = [{"w": torch.tensor([v, -v]), "n": torch.tensor(i)} for i, v in enumerate(values)]
    mean = mean_weights(states)
    expected = sum(values) / len(values)
    torch.testing.assert_close(mean["w"], torch.tensor([expected, -expected]), rtol=1e-4, atol=1e-3)
    assert mean["n"].item() == 0


def finished(data: Path, run: Path, **changed: Any) -> Path:
    """A run of one step on two drawn pictures."""
    run.mkdir()
    path = run / "recipe.yaml"
    path.write_text(tiny_recipe(**changed))
    torch.manual_seed(0)
    given = load_recipe(path)
    train(given, make_task(given, Folders(data, run)), Place(run))
    return run


@pytest.mark.slow
def test_runs_of_two_seeds_become_one_that_can_be_released(tmp_path: Path) -> None:
    two_pictures(tmp_path)
    runs = [finished(tmp_path, tmp_path / f"seed{seed}", seed=seed) for seed in (1, 2)]
    main(runs, tmp_path / "mean")
    first, second = (averaged_weights(run / "checkpoint.pt")[0] for run in runs)
    recipe = load_recipe(tmp_path / "mean" / "recipe.yaml")
    network, steps = trained_network(recipe, Folders(tmp_path, tmp_path / "mean"))
    assert steps == 1
    state, apart = network.state_dict(), 0
    for name, value in first.items():
        apart += int(not torch.equal(value, second[name]))
        if value.is_floating_point():
            torch.testing.assert_close(state[name], (value + second[name]) / 2)
    assert apart > 0
    assert (tmp_path / "mean" / "curves.png").exists()


@pytest.mark.slow
def test_runs_of_other_recipes_are_refused(tmp_path: Path) -> None:
    two_pictures(tmp_path)
    runs = [
        finished(tmp_path, tmp_path / "one"),
        finished(tmp_path, tmp_path / "other", rate=2e-3),
    ]
    with pytest.raises(ConfigError, match="its recipe is not that of"):
        main(runs, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


@pytest.mark.slow
def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    two_pictures(tmp_path)
    run = finished(tmp_path, tmp_path / "one")
    text = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(text.replace("steps: 1\n", "steps: 2\n"))
    with pytest.raises(ConfigError, match="is at step 1 of 2"):
        main([run, run], tmp_path / "mean")
