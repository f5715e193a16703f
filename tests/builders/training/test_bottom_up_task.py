from pathlib import Path

import cv2
import numpy as np
import torch

from builders.networks.bottom_up import CompactBottomUp, HeadSettings
from builders.training.bottom_up_task import BottomUpSettings, BottomUpTask, with_first_maps
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


def test_a_trunk_of_rate_zero_stands_still_and_the_units_learn(tmp_path: Path) -> None:
    chosen = recipe(tmp_path, 3)
    assert isinstance(chosen.task, BottomUpSettings)
    still = chosen.task.model_copy(update={"trunk_rate": 0.0, "keep_first_maps": True})
    task = BottomUpTask(still, Folders(tmp_path, tmp_path))
    torch.manual_seed(chosen.seed)
    before = task.build().state_dict()
    after = train(chosen, task, Place(tmp_path)).network.state_dict()
    for name, value in before.items():
        if name.startswith(("trunk.", "first.")):
            assert torch.equal(value, after[name]), name
    assert not torch.equal(before["guide_out.weight"], after["guide_out.weight"])


def test_first_maps_fill_up_what_the_labels_leave_open() -> None:
    first = torch.full((1, 18, 1, 4), 0.6)
    heat = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(1, 18, 1, 4)
    # Surely background; a labelled joint; nobody knows; background by 30 %.
    weight = torch.tensor([0.5, 1.0, 0.0, 0.15]).expand(1, 18, 1, 4)
    target, filled = with_first_maps(first, heat, weight, background_weight=0.5)
    assert torch.allclose(target[0, 0, 0], torch.tensor([0.0, 1.0, 0.6, 0.6 * 0.7]))
    assert torch.allclose(filled[0, 0, 0], torch.tensor([0.5, 1.0, 0.5, 0.5]))


def test_what_is_released_lies_between_the_first_maps_and_what_was_learnt(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = CompactBottomUp(HeadSettings(4, 4)).eval()
    for last in (network.guide_out, network.regression_out):
        torch.nn.init.normal_(last.weight, std=0.1)
    settings = recipe(tmp_path, 1).task.model_copy(update={"released_share": 0.5})
    assert isinstance(settings, BottomUpSettings)
    released = BottomUpTask(settings, Folders(tmp_path, tmp_path)).released(network)
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        all_of_it, half = network(pixels), released(pixels)
    assert torch.equal(all_of_it.first, half.first)
    expected = (all_of_it.first[:, :17] + all_of_it.heat) / 2
    assert torch.allclose(half.heat, expected, atol=1e-5)
