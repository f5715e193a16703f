"""A run of every released network becomes a model folder, which an engine opens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from builders.contract_export import run_in_torch
from builders.model_folder import write_model
from builders.release import main, release_form
from builders.release_figures import MeasuredOn, measure
from builders.release_forms import RELEASE_FORMS
from builders.shipped_certificates import record_reference
from builders.training.loop import Place, train
from builders.training.recipe import Recipe, load_recipe, make_task
from builders.training.scoring_task import PosesRecipe
from builders.training.settings import Folders
from engines.artefact import Artefact, Manifest, StageName, load_artefact
from engines.certification.picture_set import drawn_set
from engines.engine import Precision
from engines.open_engine import open_engine
from stream.errors import ConfigError
from tests.builders.training.test_pyramid_tasks import two_pictures

ON_CANVASES = {"channels": 16, "convolutions": 1, "augment": {"canvas": 64}}
ON_CROPS: dict[str, Any] = {
    "trunk": {"kind": "compact", "width": 0.25},
    "crop": {"width": 64, "height": 96},
}
SMALL: dict[str, dict[str, Any]] = {
    "compact_smpr": ON_CANVASES,
    "person_detector": {"augment": {"canvas": 64}},
    "smpr_at_joints": {"channels": 16, "augment": {"canvas": 64}, "kept_views": 4},
    "heatmap": ON_CROPS,
    "graph_pcnn": ON_CROPS,
    "guided heatmap": {**ON_CROPS, "trunk": {**ON_CROPS["trunk"], "guided": True}},
    "kcam": ON_CROPS,
    "guided kcam": {**ON_CROPS, "trunk": {**ON_CROPS["trunk"], "guided": True}},
    "posefix": ON_CROPS,
    "scoring_net": {},
}
STAGES: dict[str, tuple[StageName, str | None]] = {
    "compact_smpr": ("one_pass", "soft_nms_iou"),
    "person_detector": ("detector", "nms_iou"),
    "smpr_at_joints": ("one_pass", "soft_nms_iou"),
    "heatmap": ("top_down", None),
    "graph_pcnn": ("top_down", None),
    "kcam": ("top_down", None),
    "posefix": ("refiner", None),
    "scoring_net": ("scorer", None),
}
POSES = {"poses": "poses.json", "annotations": "labelled/own/annotations/train.json"}


def task_section(folder: Path, network: str) -> dict[str, Any]:
    if network == "scoring_net":
        write_scored_poses(folder)
        return {"train": POSES, "validation": POSES}
    return {"sets": [two_pictures(folder).model_dump(mode="json")]} | SMALL[network]


def write_scored_poses(folder: Path) -> None:
    """Five people in a picture, found with errors of their own."""
    rng = np.random.default_rng(0)
    truth = [np.column_stack([rng.uniform(20, 90, (17, 2)), np.full(17, 2)]) for _ in range(5)]
    people = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "area": 4000.0,
            "bbox": [20, 20, 70, 70],
            "num_keypoints": 17,
            "keypoints": joints.ravel().tolist(),
        }
        for number, joints in enumerate(truth, start=1)
    ]
    content = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": people,
        "categories": [{"id": 1, "name": "person"}],
    }
    annotations = folder / POSES["annotations"]
    annotations.parent.mkdir(parents=True)
    annotations.write_text(json.dumps(content), "utf-8")
    found = [
        {
            "image_id": 1,
            "score": 0.2 + 0.1 * number,
            "keypoints": (joints + np.array([number, number, -1.5])).ravel().tolist(),
        }
        for number, joints in enumerate(truth)
    ]
    (folder / POSES["poses"]).write_text(json.dumps(found), "utf-8")


def write_recipe(folder: Path, network: str, task: dict[str, Any]) -> Recipe:
    content = {
        "name": "tiny",
        "network": network.rsplit(maxsplit=1)[-1],
        "steps": 1,
        "batch": 2,
        "rate": 1e-3,
    }
    text = yaml.safe_dump(content | {"workers": 0, "task": task})
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return load_recipe(folder / "recipe.yaml")


def example_inputs(manifest: Manifest, rows: int) -> dict[str, np.ndarray]:
    """Pixels, poses and scores at random."""
    width, height = manifest.canvases[0]
    rng = np.random.default_rng(0)
    filled: dict[str, np.ndarray] = {
        "canvas": rng.integers(0, 256, (rows, height, width, 3), np.uint8),
        "crops": rng.integers(0, 256, (rows, height, width, 3), np.uint8),
        "poses": rng.uniform(1, 60, (rows, 17, 3)).astype(np.float32),
        "scores": rng.uniform(0, 1, rows).astype(np.float32),
    }
    return {spec.name: filled[spec.name] for spec in manifest.inputs}


@pytest.mark.parametrize("network", sorted(STAGES))
def test_a_run_becomes_a_model_folder(network: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    recipe = write_recipe(tmp_path, network, task_section(tmp_path, network))
    train(recipe, make_task(recipe, Folders(tmp_path, tmp_path)), Place(tmp_path))
    main(tmp_path, tmp_path, tmp_path / "model", name="small", min_score=0.3)
    artefact = load_artefact(tmp_path / "model")
    manifest, (stage, suppression) = artefact.manifest, STAGES[network]
    assert (manifest.name, manifest.stage) == ("small", stage)
    assert suppression is None or getattr(manifest.thresholds, suppression) is not None
    assert manifest.thresholds.min_score == 0.3
    assert manifest.training["steps"] == "1"
    assert manifest.training["labels"].endswith("train.json")
    assert (tmp_path / "model" / "curves.png").is_file()
    outputs = run_in_openvino(artefact, example_inputs(manifest, 3))
    assert all(np.isfinite(values).all() for values in outputs.values())


def run_in_openvino(artefact: Artefact, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    canvas = artefact.manifest.canvases[0]
    engine = open_engine(artefact, canvas=canvas, threads=1, precision=Precision.FP32)
    outputs = engine.infer(inputs)
    engine.close()
    return outputs


@pytest.mark.parametrize(
    "network", ["heatmap", "guided heatmap", "graph_pcnn", "guided kcam", "posefix", "scoring_net"]
)
def test_openvino_gives_what_torch_gives(network: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    graph, artefact = untrained(network, tmp_path)
    inputs = example_inputs(artefact.manifest, 3)
    expected = run_in_torch(graph, {name: torch.from_numpy(a) for name, a in inputs.items()})
    [found] = run_in_openvino(artefact, inputs).values()
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-3)


def untrained(network: str, folder: Path) -> tuple[nn.Module, Artefact]:
    """A network with weights large enough to tell one place from another, and its folder."""
    recipe = write_recipe(folder, network, task_section(folder, network))
    form = release_form(recipe)
    torch.manual_seed(0)
    own = make_task(recipe, Folders(folder, folder)).build()
    for parameter in own.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=float(parameter[0].numel()) ** -0.5)
    graph = form.graph(own.eval())
    about = {
        "name": "tiny",
        "description": form.description,
        "canvases": form.canvases,
        "crop_padding": form.crop_padding,
        "thresholds": {"min_score": 0.0, **form.suppression},
        "licence": "Apache-2.0",
        "training": {},
        "accuracy": {},
    }
    write_model(graph, form.stage, folder / "model", about)
    return graph, load_artefact(folder / "model")


@pytest.mark.parametrize("network", ["heatmap", "posefix", "scoring_net"])
def test_the_people_that_fp32_finds_are_recorded_for_every_stage(
    network: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    _, artefact = untrained(network, tmp_path)
    reference = record_reference(artefact, drawn_set().part(slice(2)))
    [people] = reference.people.values()
    assert len(people) >= 2
    assert all(len(one.scores) == 1 for one in people)


def test_a_scorer_is_measured_on_poses_with_known_truth(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    _, artefact = untrained("scoring_net", tmp_path)
    poses = PosesRecipe.model_validate(POSES)
    figures = measure(artefact, MeasuredOn(tmp_path, (), poses=poses))
    assert figures["given rank correlation"] == -1  # the worse, the higher the score given
    assert set(figures) == {
        "given AP", "given rank correlation", "rescored AP", "rescored rank correlation"
    }  # fmt: skip
    with pytest.raises(ConfigError, match="needs `validation` poses"):
        measure(artefact, MeasuredOn(tmp_path, ()))


def test_models_of_crops_are_measured_on_validation_pictures(
    shared_data: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    (tmp_path / "refiner").mkdir()
    _, top_down = untrained("heatmap", tmp_path)
    _, refiner = untrained("posefix", tmp_path / "refiner")
    figures = measure(top_down, MeasuredOn(shared_data, ("mixed_val",)))
    assert {"mixed_val/val AP", "mixed_val/val PCK@0.2 (torso)"} <= set(figures)
    poses_of = f"truth+{top_down.folder}"
    refined = measure(refiner, MeasuredOn(shared_data, ("mixed_val",), poses_of))
    assert refined["mixed_val/val AP of truth+model"] == figures["mixed_val/val AP"]
    assert "mixed_val/val AP of truth+model refined" in refined


def test_every_released_network_has_a_test() -> None:
    sizes = ("", " plain", " fast", " tiny")
    bottom_up = {f"compact_bottom_up{size}" for size in sizes}  # too large for this file
    assert set(RELEASE_FORMS) == {*STAGES, *bottom_up}


def test_a_network_that_is_not_released_is_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path, "smpr", {"sets": [two_pictures(tmp_path).model_dump(mode="json")]})
    with pytest.raises(ConfigError, match="trains smpr, expected one of compact_bottom_up"):
        release_form(load_recipe(tmp_path / "recipe.yaml"))
