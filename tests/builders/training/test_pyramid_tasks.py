"""SMPR trains from labelled files; resume and seeds are the loop's."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.networks.smpr import smpr_r50
from builders.training.compact_start import CompactSettings
from builders.training.labels import JOINTS
from builders.training.loop import Place, train
from builders.training.recipe import Recipe
from builders.training.settings import Folders, SetRecipe
from builders.training.smpr_task import CompactSmprTask, SmprSettings, SmprTask
from stream.errors import ConfigError
from tests.builders.training.coco_files import write_coco


def two_pictures(folder: Path) -> SetRecipe:
    """One with a person, one without."""
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (80, 80, 3)))
    joints = np.column_stack([rng.uniform(10, 70, (JOINTS, 2)), np.full(JOINTS, 2)])
    return write_coco(folder, {"a.png": [joints], "b.png": []})


def settings(folder: Path, **changed: Any) -> CompactSettings:
    small = {"channels": 16, "convolutions": 1, "augment": {"canvas": 64}, "head_steps": 1}
    return CompactSettings.model_validate({"sets": [two_pictures(folder)], **small, **changed})


def recipe(task: Any, steps: int) -> Recipe:
    return Recipe(
        name="tiny",
        network="compact_smpr",
        steps=steps,
        batch=2,
        rate=1e-3,
        workers=0,
        task=task,
    )


def test_the_early_trunk_stands_still_and_the_rest_learns(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    chosen = recipe(settings(tmp_path), 3)
    task = CompactSmprTask(settings(tmp_path), Folders(tmp_path, tmp_path))
    torch.manual_seed(chosen.seed)
    before = task.build().state_dict()
    after = train(chosen, task, Place(tmp_path)).network.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    trunk = "pyramid.trunk"
    assert torch.equal(before[f"{trunk}.stem.conv.weight"], after[f"{trunk}.stem.conv.weight"])
    for name in (f"{trunk}.lateral3.weight", "pyramid.enter.0.weight"):
        assert not torch.equal(before[name], after[name])
    heads = [name for name in before if name.startswith("head.") and before[name].ndim > 1]
    moved = [name for name in heads if not torch.equal(before[name], after[name])]
    assert len(moved) > len(heads) // 2


def test_a_batch_keeps_people_in_lists(tmp_path: Path) -> None:
    chosen = settings(tmp_path, augment={"canvas": 64, "person_px": [30.0, 60.0]})
    task = CompactSmprTask(chosen, Folders(tmp_path, tmp_path))
    examples = task.examples()
    drawn = [examples.draw(np.random.default_rng(seed)) for seed in range(8)]
    batch = task.collate(drawn)
    assert batch["pixels"].shape == (8, 3, 64, 64)
    assert batch["pixels"].dtype == torch.uint8
    assert {len(people) for people in batch["joints"]} == {0, 1}
    assert [len(people) for people in batch["joints"]] == [len(areas) for areas in batch["areas"]]
    assert [tuple(level.shape) for level in batch["certainty"]] == [
        (8, 8, 8),
        (8, 4, 4),
        (8, 2, 2),
    ]
    assert batch["heat_certainty"].shape == (8, 17, 8, 8)


def test_validation_measures_the_val_split_as_it_is_exported(
    tmp_path: Path, shared_data: Path
) -> None:
    """Untrained networks find almost nobody: their person score is low."""
    chosen = settings(tmp_path, validation=("coco_kp",))
    task = CompactSmprTask(chosen, Folders(shared_data, tmp_path), canvases=((96, 96),))
    accuracy = task.validate(task.build())
    assert list(accuracy) == ["coco_kp AP", "coco_kp AR"]
    assert all(0 <= value < 0.2 for value in accuracy.values())


def test_biases_of_the_papers_network_learn_twice_as_fast_and_never_decay(tmp_path: Path) -> None:
    task = SmprTask(SmprSettings(sets=(two_pictures(tmp_path),)), Folders(tmp_path, tmp_path))
    with torch.device("meta"):
        network = smpr_r50()
    weights, biases = task.groups(network, 0.02)
    assert (weights.rate, biases.rate, biases.weight_decay) == (0.02, 0.04, 0.0)
    learning = {id(p) for p in network.parameters() if p.requires_grad}
    grouped = [id(p) for group in (weights, biases) for p in group.parameters]
    assert len(grouped) == len(learning)
    assert set(grouped) == learning
    assert all(parameter.ndim < 2 for parameter in biases.parameters)


def test_a_backbone_starts_from_a_file_or_the_lacking_weight_is_named(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = smpr_r50().backbone.state_dict() | {"fc.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "whole.pth")
    torch.save({"conv1.weight": state["conv1.weight"]}, tmp_path / "part.pth")
    sets = (two_pictures(tmp_path),)

    def task(name: str) -> SmprTask:
        chosen = SmprSettings(sets=sets, backbone_weights=Path(name))
        return SmprTask(chosen, Folders(tmp_path, tmp_path))

    found = task("whole.pth").build().backbone.state_dict()
    assert all(torch.equal(found[name], state[name]) for name in found)
    with pytest.raises(ConfigError, match=r"part\.pth: lacks \d+ weights of the backbone, as "):
        task("part.pth").build()
    with pytest.raises(ConfigError, match=r"none\.pth: No such file"):
        task("none.pth").build()
