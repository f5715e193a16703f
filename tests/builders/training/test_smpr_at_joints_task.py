"""Training on kept views is training with a trunk at rest, only faster."""

from pathlib import Path

import numpy as np
import torch

from builders.networks.compact_pyramid import STRIDES
from builders.training.dataset import Views
from builders.training.kept_views import MAPS, load_views, views_folder
from builders.training.loop import Place, train
from builders.training.people_on_canvas import pose_labels
from builders.training.pixels import movenet_pixels, pixel_tensor
from builders.training.recipe import Recipe
from builders.training.sets import load_sets
from builders.training.settings import Folders
from builders.training.smpr_at_joints_task import SmprAtJointsSettings, SmprAtJointsTask
from builders.training.still_trunk import SEED
from tests.builders.training.test_pyramid_tasks import two_pictures

VIEWS = 18
"""More than are drawn at a time."""


def settings(folder: Path, views: int = VIEWS) -> SmprAtJointsSettings:
    small = {"channels": 16, "augment": {"canvas": 64}, "kept_views": views}
    return SmprAtJointsSettings.model_validate({"sets": [two_pictures(folder)], **small})


def test_what_came_with_start_weights_stands_still_and_the_rest_learns(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    chosen = settings(tmp_path)
    task = SmprAtJointsTask(chosen, Folders(tmp_path, tmp_path / "run"))
    recipe = Recipe(
        name="tiny",
        network="smpr_at_joints",
        steps=2,
        batch=4,
        rate=1e-2,
        workers=0,
        task=chosen,
    )
    torch.manual_seed(recipe.seed)
    before = task.build().state_dict()
    (tmp_path / "run").mkdir()
    after = train(recipe, task, Place(tmp_path / "run")).network.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    still = ("pyramid.trunk.", "pyramid.first.")
    assert not any(name.startswith(still) for name in moved)
    assert {"person.weight", "pose.weight", "pyramid.enter.0.weight"} < moved
    assert {"second_look.joint.weight", "second_look.judge.0.weight"} < moved


def test_kept_maps_are_the_trunks_and_labels_those_of_the_views(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    chosen, folders = settings(tmp_path), Folders(tmp_path, tmp_path / "runs" / "one")
    task = SmprAtJointsTask(chosen, folders)
    torch.manual_seed(0)
    examples = task.examples()
    place = views_folder(chosen, folders, VIEWS)
    assert place != views_folder(settings(tmp_path, VIEWS + 1), folders, VIEWS + 1)
    kept = load_views(place)
    assert len(kept) == VIEWS
    torch.manual_seed(0)
    trunk = task.build().pyramid.trunk.eval()
    views = Views(load_sets(chosen, folders), (), chosen.augment)
    for index in (0, VIEWS - 1):
        view = views.draw(np.random.default_rng((SEED, index)))
        with torch.no_grad():
            wanted = trunk.maps(movenet_pixels(pixel_tensor(view.pixels)[None]))
        found = kept.maps(index)
        for name in MAPS:
            expected = getattr(wanted, name)[0]
            scale = float(expected.abs().max())
            torch.testing.assert_close(found[name].float(), expected, atol=0.05 * scale, rtol=0)
        labels = pose_labels(view, STRIDES)
        joints, areas, certainty = kept.labels(index)
        torch.testing.assert_close(joints, labels.joints)
        torch.testing.assert_close(areas, labels.areas)
        for got, level in zip(certainty, labels.certainty, strict=True):
            torch.testing.assert_close(got, level, atol=1e-3, rtol=0)
    batch = task.collate([examples.draw(np.random.default_rng(seed)) for seed in range(3)])
    assert batch["p2"].shape == (3, 24, 16, 16)
    assert batch["certainty"].shape == (3, 64 + 16 + 4)
    assert [len(joints) for joints in batch["joints"]] == [len(a) for a in batch["areas"]]
