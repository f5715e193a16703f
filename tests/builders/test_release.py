"""A run of SMPR or the detector becomes a model folder that an engine opens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from builders.release import main, release_form
from builders.training.loop import Place, train
from builders.training.recipe import load_recipe, make_task
from builders.training.settings import Folders
from engines.artefact import Manifest, load_artefact
from engines.engine import Precision
from engines.open_engine import open_engine
from stream.errors import ConfigError
from tests.builders.training.test_pyramid_tasks import two_pictures

SMALL = {
    "compact_smpr": {"channels": 16, "convolutions": 1},
    "person_detector": {"channels": 16, "convolutions": 1},
}
SUPPRESSIONS = {
    "compact_smpr": ("one_pass", "soft_nms_iou"),
    "person_detector": ("detector", "nms_iou"),
}


def write_recipe(folder: Path, network: str, task: dict[str, Any]) -> None:
    own = two_pictures(folder).model_dump(mode="json")
    section = {"sets": [own], "augment": {"canvas": 64}} | task
    content = {"name": "tiny", "network": network, "steps": 1, "batch": 1, "rate": 1e-3}
    text = yaml.safe_dump(content | {"workers": 0, "task": section})
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def released(folder: Path, network: str) -> Manifest:
    """Trains a step, releases, and opens the model for its first canvas."""
    torch.set_num_threads(1)
    write_recipe(folder, network, SMALL[network])
    recipe = load_recipe(folder / "recipe.yaml")
    train(recipe, make_task(recipe, Folders(folder, folder)), Place(folder))
    main(folder, folder, folder / "model", 0.25)
    artefact = load_artefact(folder / "model")
    canvas = artefact.manifest.canvases[0]
    engine = open_engine(artefact, canvas=canvas, threads=1, precision=Precision.FP32)
    pixels = np.zeros((2, canvas[1], canvas[0], 3), np.uint8)
    outputs = engine.infer({"canvas": pixels})
    engine.close()
    assert all(np.isfinite(values).all() for values in outputs.values())
    return artefact.manifest


@pytest.mark.parametrize("network", list(SMALL))
def test_a_run_becomes_a_model_folder(network: str, tmp_path: Path) -> None:
    manifest = released(tmp_path, network)
    stage, suppression = SUPPRESSIONS[network]
    assert manifest.stage == stage
    assert getattr(manifest.thresholds, suppression) is not None
    assert manifest.thresholds.min_score == 0.25
    assert manifest.training["steps"] == "1"
    assert (tmp_path / "model" / "curves.png").is_file()


def test_a_network_that_is_not_released_is_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path, "smpr", {})
    with pytest.raises(ConfigError, match="trains smpr, expected one of compact_bottom_up"):
        release_form(load_recipe(tmp_path / "recipe.yaml"))
