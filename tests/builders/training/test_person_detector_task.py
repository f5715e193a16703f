from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.training.labels import JOINTS
from builders.training.loop import Place, train
from builders.training.person_detector_task import DetectorSettings, PersonDetectorTask
from builders.training.recipe import Recipe
from builders.training.settings import Folders
from stream.errors import ArtefactError
from tests.builders.training.coco_files import write_coco

WEIGHTS = "weights/yolox_nano_416.onnx"


def settings(folder: Path, **changed: Any) -> DetectorSettings:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "a.png"), rng.integers(0, 256, (80, 80, 3)))
    joints = np.column_stack([rng.uniform(10, 70, (JOINTS, 2)), np.full(JOINTS, 2)])
    given = {"sets": [write_coco(folder, {"a.png": [joints]})], "augment": {"canvas": 64}}
    return DetectorSettings.model_validate({**given, **changed})


def trained(chosen: DetectorSettings, run: Path) -> torch.nn.Module:
    recipe = Recipe(
        name="tiny",
        network="person_detector",
        steps=3,
        batch=2,
        rate=1e-3,
        workers=0,
        ema_decay=0,
        task=chosen,
    )
    return train(recipe, PersonDetectorTask(chosen, Folders(run, run)), Place(run)).network


def test_without_start_weights_it_learns_from_nothing(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    chosen = settings(tmp_path)
    torch.manual_seed(0)
    before = PersonDetectorTask(chosen, Folders(tmp_path, tmp_path)).build().state_dict()
    after = trained(chosen, tmp_path).state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert not torch.equal(before["yolox.stem.0.weight"], after["yolox.stem.0.weight"])


def test_start_weights_move_in_proportion_to_their_size(tmp_path: Path, shared_data: Path) -> None:
    torch.set_num_threads(1)
    start = shared_data / WEIGHTS
    chosen = settings(tmp_path, start_weights=start, keep_start=True, trunk_rate=1e-3)
    before = PersonDetectorTask(chosen, Folders(tmp_path, tmp_path)).build().state_dict()
    after = trained(chosen, tmp_path).state_dict()
    moved = {
        name: float((after[name] - before[name]).abs().max() / before[name].square().mean().sqrt())
        for name in before
        if name.endswith("weight")
    }
    assert 0 < max(moved.values()) < 0.01
    assert sum(share > 0 for share in moved.values()) > len(moved) // 2


def test_what_is_released_lies_between_start_and_end(tmp_path: Path, shared_data: Path) -> None:
    chosen = settings(tmp_path, start_weights=WEIGHTS, released_share=0.25)
    task = PersonDetectorTask(chosen, Folders(shared_data, tmp_path))
    start, end = task.build(), task.build()
    with torch.no_grad():
        for parameter in end.parameters():
            parameter.add_(1.0)
    released = task.released(end)
    for name, value in released.state_dict().items():
        torch.testing.assert_close(value, start.state_dict()[name] + 0.25)


def test_unlabelled_places_keep_the_scores_of_the_start(tmp_path: Path, shared_data: Path) -> None:
    """The start itself then has nothing to unlearn where a place is not surely background."""
    torch.set_num_threads(1)
    chosen = settings(tmp_path, start_weights=WEIGHTS, keep_start=True)
    task = PersonDetectorTask(chosen, Folders(shared_data, tmp_path))
    pixels = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    certainty = [torch.zeros(1, side, side) for side in (8, 4, 2)]
    batch = {"pixels": pixels, "boxes": [torch.zeros(0, 4)], "certainty": certainty}
    network = task.build()
    total, _ = task.loss(network, batch, torch.Generator())
    total.backward()  # type: ignore[no-untyped-call]
    assert max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None) < 1e-6


def test_a_file_of_other_weights_is_refused(tmp_path: Path, shared_data: Path) -> None:
    chosen = settings(tmp_path, start_weights="weights/nanodet_m_416.onnx")
    with pytest.raises(ArtefactError, match="expected YOLOX-nano's 113 convolutions"):
        PersonDetectorTask(chosen, Folders(shared_data, tmp_path)).build()


def test_validation_measures_the_val_split_as_it_is_exported(
    tmp_path: Path, shared_data: Path
) -> None:
    torch.set_num_threads(1)
    chosen = settings(tmp_path, start_weights=WEIGHTS, validation=("coco_kp",))
    task = PersonDetectorTask(chosen, Folders(shared_data, tmp_path), canvases=((224, 224),))
    accuracy = task.validate(task.build())
    assert list(accuracy) == ["coco_kp box AP", "coco_kp box AP50"]
    assert accuracy["coco_kp box AP50"] > 0.5
