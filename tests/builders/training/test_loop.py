from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from builders.networks.bottom_up import CompactBottomUp
from builders.training.augment import AugmentSettings
from builders.training.dataset import TrainingSet
from builders.training.labels import LabelledPicture, Person
from builders.training.loop import TrainingState, new_state, train
from builders.training.recipe import Recipe, SetRecipe, load_recipe
from stream.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]


def recipe(steps: int) -> Recipe:
    return Recipe(
        name="tiny",
        network="compact_bottom_up",
        guide_channels=4,
        regression_channels=4,
        steps=steps,
        batch=2,
        head_steps=2,
        checkpoint_every=3,
        evaluate_every=3,
        workers=0,
        sets=(SetRecipe(name="own", kind="coco", annotations=Path(), pictures=Path(), share=1),),
        augment=AugmentSettings(canvas=64),
    )


def one_set(folder: Path) -> TrainingSet:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "a.png"), rng.integers(0, 256, (80, 80, 3)))
    keypoints = np.column_stack([rng.uniform(10, 70, (17, 2)), np.ones(17)]).astype(np.float32)
    person = Person(keypoints, np.array([10, 10, 60, 60], np.float32), absent_is_background=True)
    return TrainingSet("own", 1.0, [LabelledPicture(folder / "a.png", (person,), 1.0)])


def start(steps: int) -> TrainingState:
    torch.manual_seed(0)
    return new_state(recipe(steps), CompactBottomUp(4, 4))


def run(steps: int, folder: Path, pictures: Path) -> TrainingState:
    folder.mkdir()
    state = start(steps)
    train(recipe(steps), [one_set(pictures)], state, folder, lambda _: {"own AP": 0.5})
    return state


def test_the_same_seed_gives_the_same_losses_and_files(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    first = run(4, tmp_path / "1", tmp_path)
    second = run(4, tmp_path / "2", tmp_path)
    assert [e["loss"] for e in first.history] == [e["loss"] for e in second.history]
    assert first.history[2]["own AP"] == 0.5
    for name in ("checkpoint.pt", "history.jsonl", "curves.png"):
        assert (tmp_path / "1" / name).stat().st_size > 0


def test_a_run_resumes_at_its_checkpoint(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    done = run(3, tmp_path / "1", tmp_path)
    state = start(6)
    state.load(tmp_path / "1" / "checkpoint.pt")
    assert state.step == 3
    for name, value in state.network.state_dict().items():
        assert torch.equal(value, done.network.state_dict()[name])
    train(recipe(6), [one_set(tmp_path)], state, tmp_path / "1", lambda _: {})
    assert [entry["step"] for entry in state.history] == [1, 2, 3, 4, 5, 6]


def test_the_early_trunk_stands_still_and_the_rest_learns(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    before = {name: value.clone() for name, value in start(6).network.state_dict().items()}
    after = run(6, tmp_path / "1", tmp_path).network.state_dict()
    assert torch.equal(before["trunk.stem.conv.weight"], after["trunk.stem.conv.weight"])
    assert not torch.equal(before["trunk.lateral3.weight"], after["trunk.lateral3.weight"])
    assert not torch.equal(before["guide_out.weight"], after["guide_out.weight"])


def test_every_recipe_of_the_repository_loads_and_trains_on_no_val_split() -> None:
    paths = sorted((REPOSITORY / "configs" / "train").glob("*.yaml"))
    assert paths
    for path in paths:
        for item in load_recipe(path).sets:
            assert item.annotations.stem != "val"
            assert "mixed_val" not in item.annotations.parts


def test_a_wrong_recipe_names_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\nnetwork: other\nsteps: 0\nbatch: 1\nsets: []\nbogus: 1\n")
    with pytest.raises(ConfigError) as error:
        load_recipe(path)
    for fault in ("network", "steps", "bogus"):
        assert fault in str(error.value)
