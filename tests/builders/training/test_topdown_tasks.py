"""The top-down tasks on drawn pictures: what learns, what is reproducible, what is refused."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from builders.export import export_graph
from builders.networks.heatmap_decode import PeakFinder, peaks, smooth_peaks
from builders.networks.heatmap_targets import heatmap_loss
from builders.networks.topdown_graph import ChannelOrder, Normalise
from builders.release import release_form
from builders.training.checkpoint import save_released
from builders.training.loop import Place, train
from builders.training.recipe import Recipe, make_task, parse_recipe
from builders.training.settings import Folders
from builders.training.start_weights import load_start
from builders.training.task import TrainingTask
from builders.training.topdown_task import HeatmapTask, TopDownSettings
from stream.errors import ConfigError
from tests.builders.training.coco_files import write_coco

THIN = {"kind": "compact", "width": 0.25}
SMALL_CROP = {"width": 64, "height": 96}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn pictures with one person each."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    people = {}
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (120, 100, 3)))
        xy = rng.uniform((20, 20), (80, 100), (17, 2))
        people[name] = [np.column_stack([xy, np.full(17, 2)])]
    write_coco(folder, people)
    return folder


def recipe(network: str, steps: int = 3, **task: Any) -> Recipe:
    own = {"name": "own", "kind": "coco", "annotations": "train.json", "pictures": ".", "share": 1}
    section = {"trunk": THIN, "crop": SMALL_CROP, "sets": [own]} | task
    given = {"name": "tiny", "network": network, "steps": steps, "batch": 4, "rate": 1e-3}
    return parse_recipe(given | {"workers": 0, "task": section}, "recipe")


def task_of(given: Recipe, folder: Path) -> TrainingTask:
    return make_task(given, Folders(folder, folder))


def batch_of(task: TrainingTask) -> Any:
    examples = task.examples()
    return task.collate([examples.draw(np.random.default_rng((0, n))) for n in range(4)])


@pytest.mark.parametrize("network", ["heatmap", "graph_pcnn", "kcam"])
@pytest.mark.parametrize(
    "trunk",
    [
        THIN,
        pytest.param({"kind": "resnet", "depth": 50}, marks=pytest.mark.slow),
        pytest.param({"kind": "hrnet", "width": 32}, marks=pytest.mark.slow),
    ],
    ids=lambda trunk: str(trunk["kind"]),
)
def test_gradient_flows_into_every_parameter_that_learns(
    network: str, trunk: dict[str, Any], folder: Path
) -> None:
    torch.manual_seed(0)
    task = task_of(recipe(network, trunk=trunk), folder)
    own = task.build().train()
    learning = {id(p) for group in task.groups(own, 1e-3) for p in group.parameters}
    total, parts = task.loss(own, batch_of(task), torch.Generator().manual_seed(0))
    total.backward()  # type: ignore[no-untyped-call]
    assert total.item() == pytest.approx(sum(part.item() for part in parts.values()))
    named = [(n, p) for n, p in own.named_parameters() if id(p) in learning]
    dry = [name for name, p in named if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dry
    still = {name for name, p in own.named_parameters() if id(p) not in learning}
    early = ("trunk.stem", "trunk.blocks.0.", "trunk.blocks.1.", "trunk.blocks.2.")
    assert all(any(part in name for part in early) for name in still)
    assert bool(still) == (trunk["kind"] == "compact")


@pytest.mark.parametrize("network", ["heatmap", "graph_pcnn", "kcam"])
def test_who_is_meant_is_learnt_with_the_maps(network: str, folder: Path) -> None:
    torch.manual_seed(0)
    task = task_of(recipe(network, trunk=THIN | {"guided": True}), folder)
    own = task.build().train()
    total, parts = task.loss(own, batch_of(task), torch.Generator().manual_seed(0))
    total.backward()  # type: ignore[no-untyped-call]
    assert {"heat", "centre", "guess"} <= set(parts)
    heads = [p for name, p in own.named_parameters() if "centre" in name or "regress" in name]
    assert heads
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in heads)


def test_a_wide_stage_learns_and_wants_a_compact_trunk(folder: Path) -> None:
    torch.manual_seed(0)
    task = task_of(recipe("graph_pcnn", wide_stage=8, hidden=4, points=6), folder)
    own = task.build().train()
    task.loss(own, batch_of(task), torch.Generator().manual_seed(0))[0].backward()  # type: ignore[no-untyped-call]
    wide = own.get_submodule("second")
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in wide.parameters())
    with pytest.raises(ConfigError, match="wide_stage: the trunk must be compact"):
        recipe("graph_pcnn", trunk={"kind": "resnet"}, wide_stage=8)


def test_the_second_stage_learns_what_becomes_of_the_first_ones_peaks(folder: Path) -> None:
    torch.manual_seed(0)
    trunk = THIN | {"guided": True}
    task = task_of(recipe("graph_pcnn", trunk=trunk, wide_stage=8, learns="similarity"), folder)
    own, batch = task.build().train(), batch_of(task)
    total, parts = task.loss(own, batch, torch.Generator().manual_seed(0))
    total.backward()  # type: ignore[no-untyped-call]
    assert "similarity" in parts
    assert "refinement" not in parts
    moved = own.get_parameter("refinement.head.6.weight").grad
    assert moved is not None
    assert moved.abs().sum() > 0
    batch["area"] = batch["area"] * 1e6  # everything is near a giant
    _, giant = task.loss(own, batch, torch.Generator().manual_seed(0))
    assert giant["similarity"].item() < parts["similarity"].item()


@pytest.mark.parametrize("network", ["heatmap", "graph_pcnn", "kcam"])
def test_the_same_seed_gives_the_same_losses(network: str, folder: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    histories = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        given = recipe(network)
        train(given, task_of(given, folder), Place(tmp_path / name))
        histories.append((tmp_path / name / "history.jsonl").read_text())
    assert histories[0] == histories[1]


def test_a_teachers_maps_are_learnt_where_nothing_is_labelled(folder: Path) -> None:
    torch.manual_seed(0)
    plain = task_of(recipe("heatmap"), folder)
    taught = task_of(recipe("heatmap", distillation={"trunk": THIN, "weight": 0.5}), folder)
    assert isinstance(taught, HeatmapTask)
    own, batch = plain.build().eval(), batch_of(plain)
    batch["weight"] = torch.zeros_like(batch["weight"])
    random = torch.Generator()
    with torch.no_grad():
        assert plain.loss(own, batch, random)[0] == 0
        total, parts = taught.loss(own, batch, random)
        teacher = taught.teacher(torch.device("cpu"))
        pixels = Normalise(ChannelOrder.RGB_SYMMETRIC)(batch["crops"])
        wanted = heatmap_loss(own(pixels), teacher(pixels), torch.ones(4, 17))
    assert total.item() == pytest.approx(0.5 * wanted.item(), rel=1e-4)
    assert set(parts) == {"heat", "teacher"}
    assert not any("teacher" in name for name, _ in own.named_parameters())


def test_pixels_of_the_compact_trunk_lie_between_minus_one_and_one() -> None:
    crops = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2, 1).repeat(1, 1, 1, 3)
    assert Normalise(ChannelOrder.RGB_SYMMETRIC)(crops).flatten().tolist() == [-1, 1] * 3


def test_start_weights_may_lack_new_layers_only(tmp_path: Path) -> None:
    network = torch.nn.Sequential()
    network.add_module("conv1", torch.nn.Linear(2, 2))
    network.add_module("final_layer", torch.nn.Linear(2, 3))
    path = tmp_path / "start.pth"
    torch.save({"module.conv1.weight": torch.ones(2, 2), "fc.weight": torch.ones(4)}, path)
    with pytest.raises(ConfigError, match=r"lacks 1 weights of the trunk, as conv1\.bias"):
        load_start(network, path, ("final_layer.",))
    torch.save({"conv1.weight": torch.ones(2, 2), "conv1.bias": torch.ones(2)}, path)
    load_start(network, path, ("final_layer.",))
    assert network.get_parameter("conv1.bias").tolist() == [1, 1]
    with pytest.raises(ConfigError, match="start_weights"):
        load_start(network, tmp_path / "none.pth", ())


def test_a_compact_trunk_can_start_from_a_run(folder: Path, tmp_path: Path) -> None:
    given = recipe("heatmap")
    state = train(given, task_of(given, folder), Place(tmp_path))
    start = {"start_weights": str(tmp_path / "checkpoint.pt")}
    later = task_of(recipe("graph_pcnn", trunk=THIN | start), folder).build().state_dict()
    for name, value in state.averaged.state_dict().items():
        assert torch.equal(later[f"stage1.{name}"], value)
    wider = task_of(recipe("heatmap", trunk=THIN | start | {"width": 0.5}), folder)
    with pytest.raises(ConfigError, match="no run of this network"):
        wider.build()


def test_graph_pcnn_can_go_on_from_a_run_of_its_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = task_of(recipe("graph_pcnn", wide_stage=8), folder).build()
    save_released(first, 1, tmp_path / "first")
    later = recipe("graph_pcnn", wide_stage=8, start_run="first/released.pt")
    begun = make_task(later, Folders(folder, tmp_path / "second")).build().state_dict()
    assert all(torch.equal(begun[name], value) for name, value in first.state_dict().items())


def test_graph_pcnn_can_go_on_from_a_released_graph(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shipped").mkdir()
    given = recipe("graph_pcnn", wide_stage=8)
    torch.manual_seed(1)
    first = task_of(given, folder).build()
    graph = release_form(given).graph(first).eval()
    export_graph(graph, (64, 96), tmp_path / "shipped" / "model.onnx", ["keypoints"])
    later = recipe("graph_pcnn", wide_stage=8, start_run="shipped/model.onnx")
    torch.manual_seed(2)
    begun = make_task(later, Folders(folder, tmp_path / "second")).build().state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(begun[name], value), name
    narrower = recipe("graph_pcnn", wide_stage=4, start_run="shipped/model.onnx")
    with pytest.raises(ConfigError, match="no run of this network"):
        make_task(narrower, Folders(folder, tmp_path / "second")).build()


def test_a_graph_that_cannot_be_read_is_no_run(folder: Path, tmp_path: Path) -> None:
    later = recipe("graph_pcnn", start_run="shipped/model.onnx")
    with pytest.raises(ConfigError, match="no run of this network"):
        make_task(later, Folders(folder, tmp_path / "second")).build()
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "model.onnx").write_bytes(b"half a download")
    with pytest.raises(ConfigError, match="no run of this network"):
        make_task(later, Folders(folder, tmp_path / "second")).build()


def test_the_published_sigma_belongs_to_its_crop_height() -> None:
    sigmas = []
    for height in (96, 256, 384):
        task = recipe("heatmap", crop={"width": 64, "height": height}).task
        sigmas.append(task.sigma_cells())  # type: ignore[attr-defined]
    assert sigmas == [0.75, 2.0, 3.0]


def test_loader_processes_start_after_pictures_were_drawn_here(
    folder: Path, tmp_path: Path
) -> None:
    """As compact KCAM does; OpenCV's threads must not be there when the process is copied."""

    class Drawing(HeatmapTask):
        def build(self) -> torch.nn.Module:
            cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.float32), (0, 0), 1.2)
            return super().build()

    given = recipe("heatmap").model_copy(update={"workers": 1})
    assert isinstance(given.task, TopDownSettings)
    train(given, Drawing(given.task, Folders(folder, folder)), Place(tmp_path))
    assert (tmp_path / "checkpoint.pt").exists()


def test_a_runs_checkpoint_is_looked_for_beside_the_run(folder: Path, tmp_path: Path) -> None:
    given = recipe("heatmap")
    first = tmp_path / "runs" / "first"
    first.mkdir(parents=True)
    state = train(given, task_of(given, folder), Place(first))
    later = recipe("heatmap", trunk=THIN | {"start_weights": "first/checkpoint.pt"})
    own = make_task(later, Folders(folder, tmp_path / "runs" / "later")).build().state_dict()
    for name, value in state.averaged.state_dict().items():
        assert torch.equal(own[name], value)


def test_another_run_can_start_from_what_is_released_of_one(folder: Path, tmp_path: Path) -> None:
    given = recipe("heatmap", released_share=0.25)
    first = tmp_path / "runs" / "first"
    first.mkdir(parents=True)
    task = task_of(given, folder)
    build, start = task.build, task.build().state_dict()
    task.build = lambda: loaded(build(), start)  # type: ignore[method-assign]
    learnt = train(given, task, Place(first)).averaged.state_dict()
    later = recipe("heatmap", trunk=THIN | {"start_weights": "first/released.pt"})
    own = make_task(later, Folders(folder, tmp_path / "runs" / "later")).build().state_dict()
    for name, value in start.items():
        torch.testing.assert_close(own[name], 0.75 * value + 0.25 * learnt[name])
    assert any(not torch.equal(own[name], learnt[name]) for name in own)


def loaded(network: torch.nn.Module, state: dict[str, torch.Tensor]) -> torch.nn.Module:
    network.load_state_dict(state)
    return network


def test_of_half_a_kcam_only_what_began_at_random_is_whole(folder: Path) -> None:
    """Else its projections would lie between two random ones."""
    task = task_of(recipe("kcam", trunk=THIN | {"guided": True}, released_share=0.5), folder)
    torch.manual_seed(0)
    learnt = task.build()
    began = {name: value.clone() for name, value in learnt.named_parameters()}
    with torch.no_grad():
        for parameter in learnt.parameters():
            parameter.add_(1)
    torch.manual_seed(0)  # the trunk has no start weights here
    for name, value in task.released(learnt).named_parameters():
        whole = any(part in name for part in ("query", "key", "value"))
        torch.testing.assert_close(value, began[name] + (1 if whole else 0.5))


@pytest.mark.parametrize(("guided", "finder"), [(True, smooth_peaks), (False, peaks)])
def test_guided_maps_are_read_between_cells_wherever_they_are_read(
    guided: bool, finder: PeakFinder, folder: Path
) -> None:
    trunk = THIN | {"guided": guided}
    network = task_of(recipe("graph_pcnn", trunk=trunk), folder).build()
    assert network.find_peaks is finder
    for name in ("heatmap", "kcam"):
        own = recipe(name, trunk=trunk)
        graph = release_form(own).graph(task_of(own, folder).build())
        assert graph.find_peaks is finder
