"""The scoring net's training: true OKS of poses, what learns, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from builders.training.loop import Place, train
from builders.training.recipe import Recipe, make_task, parse_recipe
from builders.training.scored_poses import read_poses_with_oks, read_scored_poses, results_of
from builders.training.scoring_task import rank_correlation
from builders.training.settings import Folders
from stream.errors import ConfigError
from stream.skeleton import COCO_17

PICTURES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Poses that are worse the more their left arm is stretched; their heat is chance."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for number in range(1, PICTURES + 1):
        truth = np.column_stack([rng.uniform(50, 150, (17, 2)), np.full(17, 2)])
        stretch = rng.uniform(0, 1)
        found = truth.copy()
        found[:, :2] += rng.normal(size=(17, 2)) * 12 * stretch
        found[9, :2] = found[7, :2] + (20 + 200 * stretch, 0)
        found[:, 2] = rng.uniform(0.3, 0.9, 17)
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "area": 6000.0,
                "num_keypoints": 17,
                "bbox": [50, 50, 100, 100],
                "keypoints": truth.ravel().tolist(),
            }
        )
        score = float(rng.uniform(0.3, 0.9))
        results.append(
            {"image_id": number, "category_id": 1, "keypoints": found.ravel().tolist(),
             "score": score}
        )  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(1, PICTURES + 1)]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "train.json").write_text(json.dumps(content))
    (folder / "poses.json").write_text(json.dumps(results))
    return folder


def recipe(**task: Any) -> Recipe:
    own = {"poses": "poses.json", "annotations": "train.json"}
    given = {"name": "tiny", "network": "scoring_net", "steps": 150, "batch": 64, "rate": 3e-3}
    section = {"train": own, "validation": own} | task
    return parse_recipe(
        given | {"workers": 0, "precision": "fp32", "ema_decay": 0, "task": section}, "recipe"
    )


def test_the_oks_is_cocos_worked_by_hand(folder: Path) -> None:
    found = read_scored_poses(folder / "poses.json", folder / "train.json")
    content = json.loads((folder / "train.json").read_text())
    truth = np.array(content["annotations"][4]["keypoints"]).reshape(17, 3)
    pose = np.array(json.loads((folder / "poses.json").read_text())[4]["keypoints"])
    squared = ((pose.reshape(17, 3)[:, :2] - truth[:, :2]) ** 2).sum(1)
    sigmas = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    np.testing.assert_allclose(sigmas, COCO_17.sigmas, rtol=1e-6)
    wanted = np.exp(-squared / (2 * 6000 * (2 * sigmas) ** 2)).mean()
    assert found.oks[4] == pytest.approx(wanted, rel=1e-5)


def test_ranks_learnt_from_shape_beat_those_of_heat(folder: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    given = recipe()
    task = make_task(given, Folders(folder, folder))
    state = train(given, task, Place(tmp_path))
    figures = task.validate(state.averaged.eval())
    assert figures["rescored rank correlation"] > figures["heat rank correlation"] + 0.2
    assert figures["rescored AP"] > figures["heat AP"]
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert np.mean([row["oks"] for row in history[-10:]]) < 0.5 * history[0]["oks"]


def test_poses_that_tell_their_oks_need_no_labels(folder: Path, tmp_path: Path) -> None:
    found = read_scored_poses(folder / "poses.json", folder / "train.json")
    results = results_of(found.people(found.scores))
    told = [r | {"oks": float(oks)} for r, oks in zip(results, found.oks, strict=True)]
    for number in range(2):
        (tmp_path / f"found{number}.json").write_text(json.dumps(told[number::2]))
    labels = {"name": "a", "kind": "coco", "annotations": "train.json", "pictures": "."}
    given = {"train": None, "validation": None, "found": ["found0.json", "found1.json"]}
    task = make_task(recipe(**given, sets=[labels]), Folders(folder, tmp_path / "run"))
    examples = task.examples()
    drawn = [examples.draw(np.random.default_rng(seed))["oks"].item() for seed in range(50)]
    assert len(set(drawn)) > 30
    assert set(drawn) <= set(found.oks.tolist())


def test_poses_without_oks_are_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"record 0: no `oks`; make the file with builders"):
        read_poses_with_oks([folder / "poses.json"])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"train": None}, "either `train` or `found`"),
        ({"found": ["a.json"]}, "either `train` or `found`"),
        ({"train": None, "found": ["a.json"]}, "sets: expected those"),
    ],
)
def test_where_poses_come_from_is_told_once(task: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**task)


def test_gradient_flows_into_every_parameter(folder: Path) -> None:
    torch.manual_seed(0)
    task = make_task(recipe(), Folders(folder, folder))
    network, examples = task.build(), task.examples()
    batch = task.collate([examples.draw(np.random.default_rng((0, n))) for n in range(8)])
    task.loss(network, batch, torch.Generator())[0].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_results_are_read_as_they_are_written(folder: Path, tmp_path: Path) -> None:
    found = read_scored_poses(folder / "poses.json", folder / "train.json")
    path = tmp_path / "poses.json"
    path.write_text(json.dumps(results_of(found.people(found.scores))))
    again = read_scored_poses(path, folder / "train.json")
    np.testing.assert_allclose(again.poses, found.poses)
    np.testing.assert_allclose(again.scores, found.scores)


def test_ranks_of_equals_are_shared() -> None:
    assert rank_correlation(np.array([1, 2, 2, 3]), np.array([10, 20, 20, 30])) == pytest.approx(1)
    first, second = np.array([1.0, 1.0, 2.0, 3.0]), np.array([4.0, 3.0, 2.0, 1.0])
    ranks = np.corrcoef([1.5, 1.5, 3, 4], [4, 3, 2, 1])[0, 1]
    assert rank_correlation(first, second) == pytest.approx(ranks)


def test_a_val_split_is_not_learnt_from() -> None:
    with pytest.raises(ConfigError, match="val split"):
        recipe(train={"poses": "poses.json", "annotations": "annotations/val.json"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a list of COCO results"),
        ([{"image_id": 1, "score": 0.5}], "record 0: KeyError"),
        ([{"image_id": 1, "score": 0.5, "keypoints": [1, 2]}], "record 0: ValueError"),
    ],
)
def test_wrong_results_are_named(
    content: object, message: str, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "poses.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        read_scored_poses(path, folder / "train.json")
