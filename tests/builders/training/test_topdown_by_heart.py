"""Learning is real: each compact top-down network learns eight real people by heart."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from builders.evaluation.labels import LabelledSet
from builders.networks.graph_pcnn_graph import GraphPcnnGraph
from builders.networks.topdown_graph import ChannelOrder, FlipTest, TopDownGraph
from builders.training.loop import Place, train
from builders.training.recipe import make_task, parse_recipe
from builders.training.settings import Folders
from builders.training.topdown_validation import CropForm, measure_in_true_boxes

pytestmark = pytest.mark.slow
PEOPLE = 8
STEPS = {"heatmap": 90, "graph_pcnn": 80, "kcam": 60}
NO_VARIATION = {"scale": 0, "rotation_share": 0, "mirror_share": 0, "half_body_share": 0}


def eight_people(labelled: Path, folder: Path) -> LabelledSet:
    """The first whose labels the teacher confirms, of the training split."""
    content = json.loads((labelled / "annotations" / "train.json").read_text())
    chosen = [each for each in content["annotations"] if each["quality"] == "A"][:PEOPLE]
    ids = {each["image_id"] for each in chosen}
    pictures = [each for each in content["images"] if each["id"] in ids]
    path = folder / "train.json"
    path.write_text(json.dumps(content | {"annotations": chosen, "images": pictures}))
    return LabelledSet(path, labelled / "images")


def recipe(network: str, eight: LabelledSet, weights: Path) -> dict[str, Any]:
    own = {"name": "eight", "kind": "coco", "share": 1}
    places = {"annotations": str(eight.annotations), "pictures": str(eight.images)}
    start = weights / "movenet_singlepose_lightning_heads_192.onnx"
    return {
        "name": network,
        "network": network,
        "steps": STEPS[network],
        "batch": PEOPLE,
        "rate": 2e-3,
        "ema_decay": 0,
        "optimizer": {"clip_norm": None},
        "workers": 0,
        "task": {
            "trunk": {"kind": "compact", "width": 1.0, "start_weights": str(start)},
            "trunk_rate": 2e-3,
            "crop": {"width": 96, "height": 128} | NO_VARIATION,
            "sigma": 1.5,
            "heat_weight": 5000.0,
            "sets": [own | places],
        },
    }


@pytest.mark.parametrize("network", STEPS)
def test_eight_people_are_found_again(network: str, shared_data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    eight = eight_people(shared_data / "labelled" / "lspet", tmp_path)
    given = parse_recipe(recipe(network, eight, shared_data / "weights"), "recipe")
    task = make_task(given, Folders(tmp_path, tmp_path))

    state = train(given, task, Place(tmp_path))

    order = ChannelOrder.RGB_SYMMETRIC
    graph: type[Any] = GraphPcnnGraph if network == "graph_pcnn" else TopDownGraph
    form = CropForm(graph(state.averaged, order, FlipTest.OFF), (96, 128))
    assert measure_in_true_boxes(form, eight)["AP"] >= 0.95
