"""PoseFix: what its examples are made of, what learns, and that it learns real people by heart."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.evaluation.coco_eval import keypoint_statistics
from builders.evaluation.labels import Labels, read_labels
from builders.evaluation.people import People, read_rgb
from builders.networks.compact_heatmaps import CompactHeatmaps
from builders.networks.compact_posefix import CompactPoseFix
from builders.networks.posefix import PoseFixGraph, pose_maps, posefix_pixels
from builders.networks.posefix_synthesis import Error
from builders.networks.topdown_graph import ChannelOrder, FlipTest, Normalise
from builders.training.crops import Crop, plain_crop
from builders.training.labels import Person
from builders.training.loop import Place, train
from builders.training.posefix_examples import beside, posefix_example, with_errors
from builders.training.posefix_task import PoseFixSettings, PoseFixTask
from builders.training.recipe import Recipe, make_task, parse_recipe
from builders.training.settings import Folders
from builders.training.start_weights import load_start
from stream.geometry import crop_affine
from tests.builders.training.coco_files import write_coco
from tests.builders.training.test_topdown_by_heart import NO_VARIATION, PEOPLE, eight_people

THIN = {"kind": "compact", "width": 0.25}
STEPS_BY_HEART = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn pictures with one person each, and the same again as `labelled/own`, split val."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    own = folder / "labelled" / "own"
    (own / "images").mkdir(parents=True)
    (own / "annotations").mkdir()
    people = {}
    for name in ("a.png", "b.png"):
        for place in (folder, own / "images"):
            cv2.imwrite(str(place / name), rng.integers(0, 256, (120, 100, 3)))
        xy = rng.uniform((20, 20), (80, 100), (17, 2))
        people[name] = [np.column_stack([xy, np.full(17, 2)])]
    write_coco(folder, people)
    content = json.loads((folder / "train.json").read_text())
    content["categories"] = [{"id": 1, "name": "person"}]
    (own / "annotations" / "val.json").write_text(json.dumps(content))
    return folder


def recipe(steps: int = 3, **task: Any) -> Recipe:
    own = {"name": "own", "kind": "coco", "annotations": "train.json", "pictures": ".", "share": 1}
    crop = {"width": 64, "height": 96}
    section = {"trunk": THIN, "crop": crop, "sets": [own], "neighbour_share": 0.5} | task
    given = {"name": "tiny", "network": "posefix", "steps": steps, "batch": 4, "rate": 1e-3}
    return parse_recipe(given | {"workers": 0, "task": section}, "recipe")


def task_of(given: Recipe, folder: Path) -> PoseFixTask:
    task = make_task(given, Folders(folder, folder))
    assert isinstance(task, PoseFixTask)
    return task


def batch_of(task: PoseFixTask) -> Any:
    examples = task.examples()
    return task.collate([examples.draw(np.random.default_rng((0, n))) for n in range(4)])


@pytest.mark.parametrize(
    "trunk",
    [THIN, {"kind": "resnet", "depth": 50}],
    ids=lambda trunk: str(trunk["kind"]),
)
def test_gradient_flows_into_every_parameter_that_learns(
    trunk: dict[str, Any], folder: Path
) -> None:
    torch.manual_seed(0)
    task = task_of(recipe(trunk=trunk), folder)
    own = task.build().train()
    learning = {id(p) for group in task.groups(own, 1e-3) for p in group.parameters}
    total, parts = task.loss(own, batch_of(task), torch.Generator())
    total.backward()  # type: ignore[no-untyped-call]
    assert total.item() == pytest.approx(sum(part.item() for part in parts.values()))
    named = [(n, p) for n, p in own.named_parameters() if id(p) in learning]
    assert not [n for n, p in named if p.grad is None or not p.grad.abs().sum() > 0]
    still = {name for name, p in own.named_parameters() if id(p) not in learning}
    early = ("trunk.stem", "trunk.blocks.0.", "trunk.blocks.1.", "trunk.blocks.2.")
    assert all(name.startswith(early) for name in still)
    assert bool(still) == (trunk["kind"] == "compact")


def test_the_same_seed_gives_the_same_losses(folder: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    histories = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        given = recipe()
        train(given, task_of(given, folder), Place(tmp_path / name))
        histories.append((tmp_path / name / "history.jsonl").read_text())
    assert histories[0] == histories[1]


def test_figures_tell_of_every_kind_of_error_that_was_drawn(folder: Path) -> None:
    task = task_of(recipe(validation=["own"]), folder)
    figures = task.validate(task.build().eval())
    for words in ("before", "after"):
        assert {f"own good {words}", f"own OKS {words}", f"own PCK@0.1 {words}"} <= set(figures)
    assert all(0 <= value <= 1 for value in figures.values())
    assert figures["own good before"] > figures["own jitter before"]


def test_the_compact_form_sees_the_trunks_pixels_and_the_pose_on_its_cells() -> None:
    torch.manual_seed(0)
    network = CompactPoseFix(CompactHeatmaps(0.25)).eval()
    crops = torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8)
    xy = torch.rand(2, 17, 2) * torch.tensor([64.0, 96.0])
    drawn = pose_maps(xy, torch.ones(2, 17), (64, 96), 3.5)
    seen: list[torch.Tensor] = []
    hooks = [
        part.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        for part in (network.trunk.stem, network.joined)
    ]
    with torch.no_grad():
        assert network(torch.cat((posefix_pixels(crops), drawn), 1)).shape == (2, 17, 24, 16)
    assert len(hooks) == 2
    wanted = Normalise(ChannelOrder.RGB_SYMMETRIC)(crops)
    torch.testing.assert_close(seen[0], wanted, atol=1e-5, rtol=0)
    pose = seen[1][:, -17:]
    cells = torch.stack(torch.meshgrid(torch.arange(24), torch.arange(16), indexing="ij"), -1)
    away = cells.flip(-1)[None, None] * 4 - xy[:, :, None, None]
    torch.testing.assert_close(pose, (-away.square().sum(-1) / (2 * 3.5**2)).exp())


def crop_with(joints: np.ndarray, value: int) -> Crop:
    pixels = np.full((96, 64, 3), value, np.uint8)
    known = np.column_stack([joints, np.ones(17)]).astype(np.float32)
    return Crop(pixels, known, 2000.0)


def figure(x: float) -> np.ndarray:
    """17 places in a column of 24 by 80 pixels about x."""
    across = np.linspace(-12, 12, 17)
    return np.column_stack([x + across, np.linspace(8, 88, 17)])


@pytest.mark.parametrize("seed", range(6))
def test_a_neighbour_is_pasted_beyond_the_middle_between_two_people(seed: int) -> None:
    crop, other = crop_with(figure(32), 10), crop_with(figure(32), 200)
    both = beside(crop, other, np.random.default_rng(seed))
    if len(both.others) == 0:
        assert both is crop
        return
    shift = both.others[0, 0, 0] - other.joints[0, 0]
    assert 0.15 * 64 - 1 <= abs(shift) <= 0.5 * 64
    np.testing.assert_array_equal(both.others[0, :, 1:], other.joints[:, 1:])
    seam = 32 + shift / 2
    for column in range(64):
        theirs = (column >= round(seam)) == (shift > 0) if column != round(seam) else shift > 0
        in_their_picture = 0 <= column - shift < 64
        value = 200 if in_their_picture else 0
        assert both.pixels[0, column, 0] == (value if theirs else 10)
    np.testing.assert_array_equal(both.joints, crop.joints)


def test_people_who_stand_apart_get_no_neighbour() -> None:
    far = crop_with(figure(32), 200)
    far.joints[:, 1] += 300
    crop = crop_with(figure(32), 10)
    assert all(beside(crop, far, np.random.default_rng(seed)) is crop for seed in range(5))


def test_swaps_come_from_neighbours_only() -> None:
    crop = crop_with(figure(32), 10)
    neighbour = figure(60)
    near = Crop(crop.pixels, crop.joints, 2000.0, crop_with(neighbour, 0).joints[None])
    kinds: dict[str, list[np.ndarray]] = {"alone": [], "near": []}
    for seed in range(60):
        for name, each in (("alone", crop), ("near", near)):
            kinds[name].append(with_errors(each, np.random.default_rng(seed))[1])
    assert not (np.stack(kinds["alone"]) == Error.SWAP).any()
    assert (np.stack(kinds["near"]) == Error.SWAP).any()


def test_joints_beyond_the_crop_are_not_learnt_and_weak_ones_only_stand_in() -> None:
    joints = figure(32)
    crop = crop_with(joints, 10)
    crop.joints[0, 0] = 70
    crop.joints[1, 2] = 0.5
    crop.joints[2, 2] = 0
    example = posefix_example(crop, np.random.default_rng(0))
    assert example["weight"].tolist() == [0, 0.5, 0, *[1] * 14]
    assert example["given"][2].tolist() == [0, 0, 0]
    assert int(example["kinds"][2]) == Error.NONE
    assert set(example["given"][:, 2].tolist()) <= {0.0, 1.0}


def test_start_weights_of_a_plain_trunk_fill_the_first_inputs(tmp_path: Path) -> None:
    network = torch.nn.Sequential()
    network.add_module("conv1", torch.nn.Conv2d(5, 2, 1))
    before = network.get_parameter("conv1.weight").detach().clone()
    path = tmp_path / "start.pth"
    torch.save({"conv1.weight": torch.ones(2, 3, 1, 1), "conv1.bias": torch.zeros(2)}, path)
    load_start(network, path, ())
    after = network.get_parameter("conv1.weight")
    assert torch.equal(after[:, :3], torch.ones(2, 3, 1, 1))
    assert torch.equal(after[:, 3:], before[:, 3:])


def with_and_without_errors(
    labels: Labels, graph: PoseFixGraph
) -> tuple[dict[int, People], dict[int, People]]:
    """Poses with errors, and refined, by picture."""
    files = {picture["id"]: picture["file_name"] for picture in labels.pictures}
    before: dict[int, People] = {}
    after: dict[int, People] = {}
    for number, record in enumerate(labels.counted()):
        keypoints = np.asarray(record["keypoints"], np.float32).reshape(17, 3)
        person = Person(keypoints, np.asarray(record["bbox"]), absent_is_background=False)
        affine = crop_affine(person.box.tolist(), 96, 128)
        rgb = read_rgb(labels.source.images / files[record["image_id"]])
        crop = plain_crop(
            rgb, replace(person, keypoints=np.minimum(keypoints, (1e9, 1e9, 1))), affine
        )
        pose = with_errors(crop, np.random.default_rng((7, number)))[0].astype(np.float32)
        with torch.no_grad():
            refined = graph(torch.from_numpy(crop.pixels[None]), torch.from_numpy(pose[None]))
        for found, xyc in ((before, pose), (after, refined[0].numpy())):
            placed = np.column_stack([affine.to_source(xyc[:, :2]), np.ones(17)])
            found[record["image_id"]] = (placed[None].astype(np.float32), np.ones(1, np.float32))
    return before, after


def test_errors_of_eight_people_are_undone(shared_data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    eight = eight_people(shared_data / "labelled" / "lspet", tmp_path)
    own = {"name": "eight", "kind": "coco", "share": 1}
    places = {"annotations": str(eight.annotations), "pictures": str(eight.images)}
    start = shared_data / "weights" / "movenet_singlepose_lightning_heads_192.onnx"
    given = recipe(
        STEPS_BY_HEART,
        trunk={"kind": "compact", "width": 1.0, "start_weights": str(start)},
        trunk_rate=0,  # the refiner alone learns: half the time
        crop={"width": 96, "height": 128} | NO_VARIATION,
        sets=[own | places],
        neighbour_share=0,
    ).model_copy(update={"batch": PEOPLE, "rate": 2e-3, "ema_decay": 0.0})
    task = task_of(given, tmp_path)
    network = train(given, task, Place(tmp_path)).averaged

    assert isinstance(given.task, PoseFixSettings)
    graph = PoseFixGraph(network.eval(), given.task.sigma_px(), FlipTest.OFF)
    labels = read_labels(eight)
    before, after = with_and_without_errors(labels, graph)
    assert keypoint_statistics(labels, before)["AP"] < 0.8
    assert keypoint_statistics(labels, after)["AP"] >= 0.95
