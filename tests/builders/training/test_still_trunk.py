"""Training on kept maps is training with a trunk at rest, only faster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.training.loop import Place, train
from builders.training.recipe import Recipe, make_task, parse_recipe
from builders.training.settings import Folders
from builders.training.still_trunk import KeptOrder, kept_folder, load_kept, with_shared_maps
from stream.errors import ConfigError
from tests.builders.training.coco_files import write_coco

HEADS = ["heatmap", "graph_pcnn", "kcam", "posefix"]
COUNT = 40
"""More than are drawn at a time."""
ORDER = KeptOrder(COUNT, half=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people to learn from, and the run `first` of a heatmap network."""
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(0)
    people: dict[str, Sequence[np.ndarray]] = {}
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(work / name), rng.integers(0, 256, (120, 100, 3)))
        xy = rng.uniform((20, 20), (80, 100), (17, 2))
        people[name] = [np.column_stack([xy, np.full(17, 2)])]
    write_coco(work, people)
    run(recipe("heatmap", {"kind": "compact", "width": 0.25}, 1), work, "first")
    return work


def recipe(network: str, trunk: dict[str, Any], steps: int, **task: Any) -> Recipe:
    own = {"name": "own", "kind": "coco", "annotations": "train.json", "pictures": ".", "share": 1}
    section = {"trunk": trunk, "crop": {"width": 64, "height": 96}, "sets": [own]} | task
    given = {
        "name": "tiny",
        "network": network,
        "steps": steps,
        "batch": 2,
        "rate": 1e-2,
        "precision": "fp32",
    }
    return parse_recipe(given | {"workers": 0, "task": section}, "recipe")


def on_first(network: str, **task: Any) -> Recipe:
    trunk = {"kind": "compact", "width": 0.25, "start_weights": "first/checkpoint.pt"}
    return recipe(network, trunk, 3, **({"kept_crops": COUNT} | task))


def run(given: Recipe, work: Path, name: str) -> Any:
    folder = work / "runs" / name
    folder.mkdir(parents=True)
    return train(given, make_task(given, Folders(work, folder)), Place(folder))


@pytest.mark.parametrize("network", HEADS)
def test_the_trunk_stands_still_and_its_head_learns(network: str, work: Path) -> None:
    given = on_first(network, trunk_rate=1e-2)
    before = make_task(given, Folders(work, work / "runs" / network)).build().state_dict()
    after = run(given, work, network).network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not any(".blocks." in name or ".stem." in name for name in moved)
    assert any("smooth2" in name for name in moved)


def test_with_no_rate_of_its_own_only_what_is_new_learns(work: Path) -> None:
    given = on_first("graph_pcnn", trunk_rate=0)
    before = make_task(given, Folders(work, work / "runs" / "still")).build().state_dict()
    after = run(given, work, "still").network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("refinement.") for name in moved)


def test_runs_of_the_same_trunk_share_maps_and_these_are_the_trunks(work: Path) -> None:
    settings = on_first("kcam").task
    folders = [Folders(work, work / "runs" / name) for name in ("one", "other")]
    task = make_task(on_first("kcam"), folders[0])
    task.examples()
    place = kept_folder(settings, folders[0], ORDER)
    assert place == kept_folder(on_first("graph_pcnn").task, folders[1], ORDER)
    assert place != kept_folder(settings, folders[0], KeptOrder(COUNT + 1, half=False))
    later = on_first("graph_pcnn", start_run="first/checkpoint.pt").task
    assert place != kept_folder(later, folders[0], ORDER)
    kept, network = load_kept(place), task.build().eval()
    assert len(kept.crops["pixels"]) == COUNT
    pixels = torch.from_numpy(np.array(kept.crops["pixels"][:2])).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = with_shared_maps(network).shared(pixels / 127.5 - 1)  # type: ignore[operator]
    for found, expected in zip(kept.maps, wanted, strict=True):
        np.testing.assert_allclose(found[:2], expected.numpy(), rtol=2e-3, atol=1e-3)


def test_maps_of_an_untrained_trunk_are_not_kept() -> None:
    with pytest.raises(ConfigError, match="kept_crops: the trunk must be compact and have start"):
        recipe("heatmap", {"kind": "compact", "width": 0.25}, 3, kept_crops=COUNT)
