from pathlib import Path

import cv2
import numpy as np
import torch

from builders.training.bottom_up_task import BottomUpSettings, BottomUpTask
from builders.training.labels import JOINTS
from builders.training.loop import Place, train
from builders.training.recipe import Recipe
from builders.training.settings import Folders, SetRecipe
from tests.builders.training.coco_files import write_coco


def one_picture(folder: Path) -> SetRecipe:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "a.png"), rng.integers(0, 256, (80, 80, 3)))
    joints = np.column_stack([rng.uniform(10, 70, (JOINTS, 2)), np.full(JOINTS, 2)])
    return write_coco(folder, {"a.png": [joints]})


def recipe(folder: Path, steps: int) -> Recipe:
    settings = BottomUpSettings.model_validate(
        {
            "guide_channels": 4,
            "regression_channels": 4,
            "head_steps": 2,
            "sets": [one_picture(folder)],
            "augment": {"canvas": 64},
        }
    )
    return Recipe(
        name="tiny",
        network="compact_bottom_up",
        steps=steps,
        batch=2,
        rate=1e-3,
        checkpoint_every=3,
        workers=0,
        task=settings,
    )


def run(folder: Path, steps: int) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    chosen = recipe(folder, steps)
    assert isinstance(chosen.task, BottomUpSettings)
    task = BottomUpTask(chosen.task, Folders(folder, folder))
    return train(chosen, task, Place(folder)).network.state_dict()


def test_the_early_trunk_stands_still_and_the_rest_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    chosen = recipe(tmp_path, 6)
    assert isinstance(chosen.task, BottomUpSettings)
    before = BottomUpTask(chosen.task, Folders(tmp_path, tmp_path)).build().state_dict()
    after = run(tmp_path, 6)
    assert torch.equal(before["trunk.stem.conv.weight"], after["trunk.stem.conv.weight"])
    assert not torch.equal(before["trunk.lateral3.weight"], after["trunk.lateral3.weight"])
    assert not torch.equal(before["guide_out.weight"], after["guide_out.weight"])
